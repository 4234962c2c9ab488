from dataclasses import replace

import numpy as np
import pytest
import torch

from model.anomaly import (
    DAYS,
    DETECTIONS,
    TABLE,
    AnomalyConstants,
    cell,
    everywhere,
    fit,
    flagged,
    p99,
    score,
)
from model.calibration import probabilities
from model.features import STATISTICS, encode
from model.taxonomy import CLASSES
from tests.support.curves import context_rows, curve

N = len(CLASSES)


def test_p99_is_the_reports() -> None:
    x = torch.tensor([[0.9, 0.1] + [0.0] * (N - 2)])
    product = 0.1 * 0.9
    assert float(p99(x)[0]) == pytest.approx(product / (1 + product))


def test_the_15_sum_to_1() -> None:
    x = torch.rand(50, N).softmax(dim=1)
    other = p99(x)
    assert torch.allclose((x * (1 - other)[:, None]).sum(dim=1) + other, torch.ones(50))


def test_old_bug_3_p99_is_not_0_for_probabilities_of_the_network() -> None:
    logits = torch.randn(1000, N) * 5
    assert (p99(probabilities(logits, 1.0)) > 0).all()


def test_p99_is_largest_for_a_uniform_row() -> None:
    uniform = torch.full((1, N), 1 / N)
    assert float(p99(uniform)[0]) == pytest.approx(0.354 / 1.354, abs=1e-3)
    assert (p99(torch.rand(200, N).softmax(dim=1)) <= p99(uniform)).all()


def constants(embeddings: torch.Tensor, labels: torch.Tensor) -> AnomalyConstants:
    return AnomalyConstants(*fit(embeddings, labels), everywhere(0.0), false_alarm_rate=0.01)


def test_the_distance_is_to_the_nearest_prototype_in_standard_deviations() -> None:
    torch.manual_seed(0)
    scale = torch.tensor([1.0, 1.5, 0.8])
    labels = torch.arange(3000) % 3
    centres = 40 * labels[:, None] * scale
    fitted = constants(torch.randn(3000, 3) * scale + centres, labels)
    near = score(centres[:3] + 0.5 * scale, fitted)
    far = score(centres[:3] + 8 * scale * torch.eye(3), fitted)
    assert (near < 1).all()
    assert far.tolist() == pytest.approx([6.5] * 3, abs=2)


@pytest.mark.parametrize("distance", [0.0, 1.0, 100.0, 1e6])
def test_the_score_is_the_least_of_all_distances(distance: float) -> None:
    torch.manual_seed(0)
    features, labels = torch.randn(3000, 20), torch.arange(3000) % 14
    fitted = constants(features, labels)
    asked = features[:100] + distance * torch.randn(100, 20)
    placed, prototypes = asked.double() @ fitted.projection.double(), fitted.prototypes.double()
    expected = (placed[:, None] - prototypes).norm(dim=2).amin(dim=1)
    assert score(asked, fitted).tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-5)


def test_a_class_of_two_kinds_has_prototypes_of_both() -> None:
    torch.manual_seed(0)
    kinds = torch.randn(4000, 2) + 30 * (torch.arange(4000) % 2)[:, None] * torch.tensor([1.0, 0.0])
    fitted = constants(kinds, torch.zeros(4000, dtype=torch.long))
    between = torch.tensor([[15.0, 0.0]])
    assert float(score(between, fitted)[0]) > 2 * float(score(kinds, fitted).quantile(0.99))


def test_prototypes_are_always_the_same() -> None:
    features, labels = torch.rand(300, 5), torch.arange(300) % 14
    for one, other in zip(fit(features, labels), fit(features, labels), strict=True):
        assert one.equal(other)


def test_law_5_companions_change_no_score() -> None:
    torch.manual_seed(0)
    features = torch.randn(200, 20)
    fitted = constants(features, torch.arange(200) % 14)
    together = score(features, fitted)
    assert torch.allclose(torch.cat([score(row[None], fitted) for row in features]), together, atol=2e-3)


def test_a_far_object_scores_above_nearly_all_known_ones() -> None:
    torch.manual_seed(0)
    labels = torch.arange(5000) % 14
    embeddings = torch.randn(5000, 8) + 6 * torch.nn.functional.one_hot(labels % 8, 8)
    fitted = constants(embeddings, labels)
    scores = score(embeddings, fitted)
    threshold = float(scores.quantile(0.99))
    assert float(score(torch.full((1, 8), 30.0), fitted)[0]) > threshold


def test_a_direction_without_variance_is_finite() -> None:
    embeddings = torch.randn(100, 4) * torch.tensor([1.0, 1.0, 1.0, 0.0])
    fitted = constants(embeddings, torch.arange(100) % 2)
    assert score(embeddings, fitted).isfinite().all()


def test_a_class_that_was_left_out_has_no_prototype() -> None:
    labels = torch.arange(1400) % 14
    kept = labels != 3
    features = torch.nn.functional.one_hot(labels, 14) * 50.0 + torch.randn(1400, 14)
    fitted = constants(features[kept], labels[kept])
    assert score(features[labels == 3], fitted).min() > score(features[kept], fitted).max()


def statistics(detections: list[float], days: list[float], photoz: list[bool]) -> torch.Tensor:
    """Running statistics [B, S] that say how many detections, since when, and whether the redshift is known."""
    found = torch.zeros(len(days), len(STATISTICS))
    found[:, STATISTICS.index("log_detections")] = torch.tensor(detections).log1p()
    found[:, STATISTICS.index("log_since_detection")] = torch.tensor(days).log1p()
    found[:, STATISTICS.index("photoz_missing")] = 1 - torch.tensor(photoz).float()
    return found


def test_a_score_is_compared_with_the_threshold_of_its_age() -> None:
    table = torch.arange(70.0).reshape(TABLE)
    known = statistics([0, 1, 2, 3, 4, 33, 33], [0, 3, 3.1, 10, 101, 99, 1000], [False] * 3 + [True] * 4)
    expected = [0, 0, 6, 35 + 2 * 5 + 1, 35 + 2 * 5 + 4, 35 + 6 * 5 + 3, 35 + 6 * 5 + 4]
    assert cell(known).tolist() == expected
    fitted = replace(constants(torch.randn(100, 4), torch.arange(100) % 2), thresholds=table)
    scores = torch.tensor(expected).float()
    assert not flagged(scores, known, fitted).any()
    assert flagged(scores + 1e-3, known, fitted).all()


def test_every_cell_is_that_of_training_for_light_curves_of_any_age() -> None:
    curves, contexts = [curve(n, n) for n in (1, 5, 200, 700)], context_rows(4)
    for one, context in zip(curves, contexts, strict=True):
        encoded = encode(one[None], np.array([len(one)]), context[None])
        found = cell(torch.from_numpy(encoded.statistics[0]))
        days = np.zeros(len(one))
        if one["detected"].any():
            days = np.maximum(one["mjd_tai"] - one["mjd_tai"][one["detected"].argmax()], 0)
        rows = np.searchsorted(DETECTIONS, np.cumsum(one["detected"]))
        columns = np.searchsorted(DAYS, days)
        known = int(not np.isnan(context["host_photoz"]))
        assert found.tolist() == ((known * TABLE[1] + rows) * TABLE[2] + columns).tolist()


def test_statistics_of_any_value_have_a_cell() -> None:
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -1.0, 1e30]).repeat(len(STATISTICS), 1).T
    assert ((cell(odd) >= 0) & (cell(odd) < 70)).all()
