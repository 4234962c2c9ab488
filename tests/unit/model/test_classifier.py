"""Laws 2 and 5 of the whole classifier, on the artefact that ships."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.artefact import DEFAULT, load
from model.classifier import Classifier, DeviceError, Run, groups
from model.observation import Context
from tests.support.curves import CONTEXTS, curve

ATOL = 1e-5


@pytest.fixture(scope="module")
def artefact():
    return load(DEFAULT)


@pytest.fixture(scope="module")
def classifier(artefact):
    return Classifier(artefact, device="cpu", threads=1)


def whole(n, seed=0):
    return Run(None, curve(n, seed), CONTEXTS[seed % len(CONTEXTS)], tuple(range(n)))


def close(one, other):
    assert np.allclose(one.probabilities, other.probabilities, atol=ATOL)
    assert one.p99 == pytest.approx(other.p99, abs=ATOL)
    assert one.anomaly_score == pytest.approx(other.anomaly_score, rel=1e-3)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_law_2_any_split_of_a_curve_gives_what_the_whole_gives(classifier, steps, seed):
    run = whole(sum(steps), seed)
    (expected,) = classifier.classify([run])
    state, begun = None, 0
    for n in steps:
        (part,) = classifier.classify([Run(state, run.observations[begun : begun + n], run.context, (0, n - 1))])
        close(part.verdicts[0], expected.verdicts[begun])
        close(part.verdicts[1], expected.verdicts[begun + n - 1])
        state, begun = part.state, begun + n


def test_law_5_companions_order_and_padding_change_nothing(classifier):
    runs = [whole(n, seed=n) for n in (1, 1, 2, 3, 9, 40, 41, 200)]
    alone = [classifier.classify([run])[0] for run in runs]
    order = np.random.default_rng(1).permutation(len(runs))
    for i, outcome in zip(order, classifier.classify([runs[i] for i in order]), strict=True):
        assert len(outcome.verdicts) == len(runs[i].readouts)
        for one, other in zip(outcome.verdicts, alone[i].verdicts, strict=True):
            close(one, other)


def test_probabilities_sum_to_one(classifier):
    (outcome,) = classifier.classify([whole(50)])
    for verdict in outcome.verdicts:
        assert verdict.probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert (verdict.probabilities >= 0).all()
        assert 0 <= verdict.p99 <= 0.262
        assert verdict.anomaly == (verdict.anomaly_score > classifier.anomaly_threshold)


def test_a_state_of_another_size_is_refused(classifier):
    with pytest.raises(ValueError, match="bytes"):
        classifier.classify([Run(b"short", curve(1), Context(), (0,))])


def test_a_state_is_a_few_kilobytes(classifier):
    (outcome,) = classifier.classify([whole(3)])
    assert len(outcome.state) == classifier.state_bytes < 4096


def test_natural_priors_favour_what_is_common(artefact, classifier):
    natural = Classifier(artefact, device="cpu", priors="natural")
    (balanced,), (frequent,) = classifier.classify([whole(1, seed=2)]), natural.classify([whole(1, seed=2)])
    common = int(artefact.class_frequencies.argmax())
    assert frequent.verdicts[0].probabilities[common] > balanced.verdicts[0].probabilities[common]


def test_cuda_is_a_gpu_or_an_error_never_a_silent_cpu(artefact):
    if torch.cuda.is_available():
        assert Classifier(artefact, device="cuda").device.type == "cuda"
    else:
        with pytest.raises(DeviceError, match="auto or cpu"):
            Classifier(artefact, device="cuda")


def test_groups_keep_like_lengths_together_and_memory_bounded():
    lengths = [1, 2, 4, 5, 6, 100, 110, 300]
    assert list(groups(range(8), lengths)) == [[0, 1, 2], [3, 4], [5, 6], [7]]
    many = [300] * 1000
    assert all(len(group) * 300 <= 65_536 for group in groups(range(1000), many))
