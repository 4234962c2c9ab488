"""Agreement: its numbers by hand, and sums of parts that are the whole."""

import numpy as np
import pytest

from broker.metrics import Metrics
from broker.models.agreement import Agreement, count_agreement
from tests.support.routed import verdicts_of


def test_the_numbers_are_those_that_one_finds_by_hand():
    ours, theirs = np.zeros((2, 3, 14), np.float32)
    ours[:, 0] = 1
    theirs[0, 0], theirs[1, 1], theirs[2, :2] = 1, 1, (0.75, 0.25)
    found = Agreement.of(ours, theirs, np.array([True, True, False]), np.array([True, False, False]))
    assert found == Agreement(3, 2, 2, 0 + 1 + 0.25)
    assert found.shares()["mean_distance"] == pytest.approx(1.25 / 3)
    assert Agreement().shares()["same_class_share"] == 0


def test_parts_add_up_to_the_whole():
    a, b = verdicts_of(50, 1), verdicts_of(50, 2)

    def of(cut):
        return Agreement.of(a.probabilities[cut], b.probabilities[cut], a.anomalies[cut], b.anomalies[cut])

    parts = of(slice(0, 0)) + of(slice(0, 20)) + of(slice(20, 50))
    whole = of(slice(0, 50))
    assert (parts.compared, parts.same_class, parts.same_flag) == (whole.compared, whole.same_class, whole.same_flag)
    assert parts.distance == pytest.approx(whole.distance, rel=1e-12)


def test_what_is_counted_adds_up():
    metrics = Metrics()
    for _ in range(2):
        count_agreement(metrics, Agreement(3, 2, 1, 0.5), {"slow": 4})
    found = {
        name: metrics.registry.get_sample_value(f"misweeper_shadow_{name}_total")
        for name in ("compared", "same_class", "same_flag", "distance")
    }
    assert found == {"compared": 6, "same_class": 4, "same_flag": 2, "distance": 1}
    assert metrics.registry.get_sample_value("misweeper_shadow_missed_total", {"reason": "slow"}) == 8
