"""What Prometheus reads of artefacts: those at work alone, and what was agreed."""

from prometheus_client import CollectorRegistry

from broker.models.agreement import Agreement
from broker.models.instruments import ModelMetrics


def test_an_artefact_that_is_at_work_no_more_is_shown_no_more():
    registry = CollectorRegistry()
    metrics = ModelMetrics(registry)
    metrics.at_work(1, {"all": ("one", "a"), "ztf": ("two", "b")})
    metrics.at_work(2, {"all": ("two", "b")})
    (family,) = (f for f in registry.collect() if f.name == "misweeper_model_artefact")
    assert [s.labels for s in family.samples] == [{"role": "all", "name": "two", "digest": "b"}]
    assert registry.get_sample_value("misweeper_model_promotion") == 2


def test_agreement_adds_up():
    registry = CollectorRegistry()
    metrics = ModelMetrics(registry)
    for _ in range(2):
        metrics.agreed(Agreement(3, 2, 1, 0.5), {"slow": 4})
    found = {
        name: registry.get_sample_value(f"misweeper_shadow_{name}_total")
        for name in ("compared", "same_class", "same_flag", "distance")
    }
    assert found == {"compared": 6, "same_class": 4, "same_flag": 2, "distance": 1}
    assert registry.get_sample_value("misweeper_shadow_missed_total", {"reason": "slow"}) == 8
