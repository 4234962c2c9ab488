import numpy as np
import pytest
import torch

from model.anomaly import PROTOTYPES
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.explanation import explain, nearest_classes
from model.features import STATISTICS, contexts
from model.observation import OBSERVATION, Context
from model.runs import Runs
from model.taxonomy import CLASSES


@pytest.fixture(scope="module")
def artefact():
    return load(DEFAULT)


ROWS = np.array([(60_000 + t, 200 + 90 * t, 25, t % 6, t > 2) for t in range(12)], OBSERVATION)
NOTHING_KNOWN = contexts([Context()])


def test_an_explanation_is_of_what_the_service_says(artefact):
    classifier = Classifier(artefact, device="cpu", threads=1)
    last = np.array([len(ROWS)])
    verdicts, _ = classifier.classify(Runs(classifier.start_state[None], ROWS, last, NOTHING_KNOWN, last - 1))
    found = explain(artefact, ROWS, NOTHING_KNOWN, natural=False)
    assert list(found.probabilities.values()) == pytest.approx(verdicts.probabilities[0].tolist(), abs=1e-4)
    assert found.score == pytest.approx(float(verdicts.anomaly_scores[0]), rel=1e-3)
    assert (found.score > found.threshold) == bool(verdicts.anomalies[0])
    assert found.nearest[0].distance == pytest.approx(found.score, rel=1e-3)


def test_the_features_that_stand_out_most_come_first(artefact):
    furthest = explain(artefact, ROWS, NOTHING_KNOWN, natural=False).furthest
    sizes = [abs(one.sigma) for one in furthest]
    assert sizes == sorted(sizes, reverse=True)
    first = STATISTICS.index(furthest[0].name)
    network = artefact.network
    expected = (furthest[0].value - network.statistic_mean[first]) / network.statistic_scale[first]
    assert furthest[0].sigma == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("place", [0, 6, 13])
def test_a_place_at_a_prototype_of_a_class_is_nearest_to_that_class(artefact, place):
    prototype = artefact.anomaly.prototypes[place * PROTOTYPES + 3]
    features = torch.linalg.lstsq(artefact.anomaly.projection.T, prototype[:, None], driver="gelsd").solution.T
    found = nearest_classes(features, artefact.anomaly)
    assert found[0].name == CLASSES[place].name
    assert found[0].distance < 0.1
