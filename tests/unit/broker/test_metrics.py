import numpy as np
import pytest

from broker.metrics import STAGES, AtWork, Behind, Metrics, observe_all


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"misweeper_{name}", labels)


def test_every_fate_and_stage_is_there_before_the_first_alert():
    metrics = Metrics(surveys=["ztf"])
    for fate in ("published", "duplicate", "declined", "dead_letter"):
        assert value(metrics, "fates_total", survey="ztf", fate=fate) == 0
    for stage in STAGES:
        assert value(metrics, "stage_seconds_count", stage=stage) == 0


def test_many_latencies_at_once_are_what_one_after_the_other_would_be():
    seconds = np.array([0.0, 0.001, 0.0011, 0.05, 4.0, 61.0])
    together, apart = Metrics(), Metrics()
    observe_all(together.latency_seconds, seconds)
    for one in seconds.tolist():
        apart.latency_seconds.observe(one)
    assert value(together, "latency_seconds_count") == 6
    for bound in ("0.001", "0.002", "0.05", "5.0", "60.0", "+Inf"):
        assert value(together, "latency_seconds_bucket", le=bound) == value(apart, "latency_seconds_bucket", le=bound)
    assert value(together, "latency_seconds_sum") == pytest.approx(seconds.sum())
    observe_all(together.latency_seconds, np.empty(0))
    assert value(together, "latency_seconds_count") == 6


def test_a_stage_is_timed_and_two_registries_know_nothing_of_each_other():
    metrics, other = Metrics(), Metrics()
    with metrics.stage("decode"):
        pass
    assert value(metrics, "stage_seconds_count", stage="decode") == 1
    assert value(other, "stage_seconds_count", stage="decode") == 0


def test_partitions_are_told_with_their_age_as_long_as_they_are_held():
    metrics = Metrics()
    labels = {"topic": "alerts", "partition": "3"}
    metrics.partitions.each = {("alerts", 3): Behind(5, 100, 1)}
    assert value(metrics, "lag_offsets", **labels) == 5
    assert value(metrics, "end_offset", **labels) == 100
    assert value(metrics, "oldest_unread_age_seconds", **labels) > 1e9
    metrics.partitions.each = {("alerts", 3): Behind(0, 100, None)}
    assert value(metrics, "oldest_unread_age_seconds", **labels) == 0
    metrics.partitions.each = {("alerts", 3): Behind(5, 100, 0)}
    assert value(metrics, "oldest_unread_age_seconds", **labels) is None, "nobody knows"
    metrics.partitions.each = {}
    assert value(metrics, "lag_offsets", **labels) is None


def test_the_artefact_that_classifies_takes_the_place_of_the_one_before():
    metrics = Metrics()
    old, new, other = (AtWork(name, 64 * name[0], "cpu", "balanced") for name in ("old", "new", "other"))
    metrics.models.tell({"all": old, "ztf": old})
    metrics.models.tell({"all": new, "shadow": other})
    found = [
        (s.labels["survey"], s.labels["name"])
        for f in metrics.registry.collect()
        if f.name == "misweeper_model_info"
        for s in f.samples
    ]
    assert sorted(found) == [("all", "new"), ("shadow", "other")]


def test_every_name_has_its_unit_and_process_memory_is_told():
    names = {family.name for family in Metrics().registry.collect()}
    assert "process_resident_memory_bytes" in names
    timed = {name for name in names if {"latency", "age", "timestamp", "redis_seconds"} & set(name.split("_"))}
    assert len(timed) > 3
    assert all(name.endswith("_seconds") for name in timed), timed
    assert all(name.endswith("_bytes") for name in names if "memory" in name and not name.endswith("limit_bytes"))
