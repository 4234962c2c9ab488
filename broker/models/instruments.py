"""What Prometheus reads of artefacts that are exchanged, and of the shadow."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from broker.models.agreement import Agreement

OUTCOMES = ("switched", "unchanged", "refused")
MISSED = ("not_finite", "not_answered", "slow", "too_much", "redis", "error")


class ModelMetrics:
    """Instruments in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        r = registry
        self._shown: set[tuple[str, str, str]] = set()  # of `artefacts`
        self.promotion = Gauge("misweeper_model_promotion", "Number of the promotion that classifies.", registry=r)
        self.artefacts = Gauge(
            "misweeper_model_artefact", "1: the artefact at work, by what for: all, a survey, or shadow.",
            ["role", "name", "digest"], registry=r,
        )  # fmt: skip
        self.reloads = Counter(
            "misweeper_model_reloads", "Looks at what is promoted, by what came of them.", ["outcome"], registry=r
        )
        self.refused = Gauge(
            "misweeper_model_refused", "1 while what is promoted cannot be used, and what was before goes on.",
            registry=r,
        )  # fmt: skip
        self.compared = Counter(
            "misweeper_shadow_compared", "Classifications that the shadow has answered too.", registry=r
        )
        self.same_class = Counter(
            "misweeper_shadow_same_class", "Those of them with the same most probable class.", registry=r
        )
        self.same_flag = Counter("misweeper_shadow_same_flag", "Those of them with the same anomaly flag.", registry=r)
        self.distance = Counter(
            "misweeper_shadow_distance", "Sum of the distances of total variation between them, 0 to 1 each.",
            registry=r,
        )  # fmt: skip
        self.missed = Counter(
            "misweeper_shadow_missed", "Classifications that the shadow has not answered, by why.", ["reason"],
            registry=r,
        )  # fmt: skip
        for outcome in OUTCOMES:
            self.reloads.labels(outcome)
        for reason in MISSED:
            self.missed.labels(reason)

    def at_work(self, number: int, names: Mapping[str, tuple[str, str]]) -> None:
        """Other artefacts, by role their name and digest, are at work."""
        self.promotion.set(number)
        shown = {(role, *named) for role, named in names.items()}
        for labels in shown:
            self.artefacts.labels(*labels).set(1)
        for labels in self._shown - shown:
            self.artefacts.remove(*labels)
        self._shown = shown

    def agreed(self, agreement: Agreement, missed: Mapping[str, int]) -> None:
        """Count what was committed."""
        self.compared.inc(agreement.compared)
        self.same_class.inc(agreement.same_class)
        self.same_flag.inc(agreement.same_flag)
        self.distance.inc(agreement.distance)
        for reason, count in missed.items():
            self.missed.labels(reason).inc(count)
