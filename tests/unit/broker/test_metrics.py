import numpy as np
import pytest

from broker.metrics import STAGES, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"misweeper_{name}", labels)


def test_every_fate_and_stage_is_there_before_the_first_alert():
    metrics = Metrics()
    for fate in ("published", "duplicate", "declined", "dead_letter"):
        assert value(metrics, "fates_total", fate=fate) == 0
    for stage in STAGES:
        assert value(metrics, "stage_seconds_count", stage=stage) == 0


def test_many_latencies_at_once_are_what_one_after_the_other_would_be():
    seconds = np.array([0.0, 0.001, 0.0011, 0.05, 4.0, 61.0])
    together, apart = Metrics(), Metrics()
    together.observe_latencies(seconds)
    for one in seconds.tolist():
        apart.latency_seconds.observe(one)
    assert value(together, "latency_seconds_count") == 6
    for bound in ("0.001", "0.002", "0.05", "5.0", "60.0", "+Inf"):
        assert value(together, "latency_seconds_bucket", le=bound) == value(apart, "latency_seconds_bucket", le=bound)
    assert value(together, "latency_seconds_sum") == pytest.approx(seconds.sum())
    together.observe_latencies(np.empty(0))
    assert value(together, "latency_seconds_count") == 6


def test_a_stage_is_timed_and_two_registries_know_nothing_of_each_other():
    metrics, other = Metrics(), Metrics()
    with metrics.stage("decode"):
        pass
    assert value(metrics, "stage_seconds_count", stage="decode") == 1
    assert value(other, "stage_seconds_count", stage="decode") == 0
