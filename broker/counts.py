"""What is counted of a part of a batch, kept until it is committed: so what is counted is what happened."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Batch
from broker.lightcurves.plan import ASIDE, DUPLICATE, Plan
from broker.metrics import UNKNOWN, Metrics, observe_all
from broker.packets.decoded import Decoded
from model.runs import Verdicts
from model.taxonomy import CLASSES


@dataclass(slots=True)
class Counts:
    """The numbers of one part of a batch, k of whose alerts are answered."""

    batch: Batch
    plan: Plan
    surveys: list[str]  # S, those of its alerts
    survey: NDArray[np.int64]  # [k], which of them
    said: Verdicts  # [k]
    observations: NDArray[np.int64]  # [k], of the light curves
    fates: Counter[tuple[str, str]] = field(default_factory=Counter)  # by survey and fate
    reasons: Counter[str] = field(default_factory=Counter)  # of dead letters

    @classmethod
    def of(
        cls, batch: Batch, decoded: Decoded, plan: Plan, answered: NDArray[np.int64], said: Verdicts,
        reasons: Iterable[str],
    ) -> Self:  # fmt: skip
        """What is to be counted.

        Args:
            batch: the part.
            decoded: what its messages mean.
            plan: what was done with its alerts.
            answered: [k], the alerts that are answered.
            said: [k].
            reasons: of its dead letters.
        """
        index: dict[bytes, int] = {}
        names = [name[: name.index(b"/")] for name in decoded.alerts.objects]
        survey = np.fromiter((index.setdefault(name, len(index)) for name in names), np.int64, len(names))
        surveys = [name.decode() for name in index]
        observations = plan.observations[answered]
        counts = cls(batch, plan, surveys, survey[answered], said, observations, reasons=Counter(reasons))
        which = {"published": plan.verdicts >= 0, "duplicate": plan.verdicts == DUPLICATE}
        for fate, those in (which | {"dead_letter": plan.verdicts == ASIDE}).items():
            for i, count in enumerate(np.bincount(survey[those], minlength=len(surveys)).tolist()):
                counts.fates[surveys[i], fate] += count
        for number, count in Counter(decoded.packets.which[decoded.declined].tolist()).items():
            counts.fates[decoded.packets.surveys[number], "declined"] += count
        aside = int((plan.verdicts == ASIDE).sum())
        counts.fates[UNKNOWN, "dead_letter"] += counts.reasons.total() - aside
        return counts

    def add_to(self, metrics: Metrics, now_ms: int) -> None:
        """Count them; once, after the commit."""
        batch, plan = self.batch, self.plan
        metrics.batch_messages.observe(len(batch))
        metrics.batch_bytes.observe(batch.nbytes)
        for labels, count in self.fates.items():
            metrics.fates.labels(*labels).inc(count)
        for reason, count in self.reasons.items():
            metrics.dead_letters.labels(reason).inc(count)
        self._add_verdicts_to(metrics)
        metrics.curves.labels("stepped").inc(plan.stepped)
        metrics.curves.labels("recomputed").inc(plan.recalled)
        for cause, count in plan.causes.items():
            metrics.recomputed.labels(cause).inc(count)
        metrics.rows.labels("new").inc(plan.new_rows)
        metrics.rows.labels("known").inc(plan.known_rows)
        metrics.unreadable.inc(plan.unreadable)
        observe_all(metrics.latency_seconds, seconds_since(batch.sent_ms, now_ms))
        observe_all(metrics.kafka_latency_seconds, seconds_since(batch.timestamps_ms, now_ms))
        metrics.last_commit_timestamp_seconds.set(now_ms / 1000)

    def _add_verdicts_to(self, metrics: Metrics) -> None:
        chances = self.said.probabilities
        best = chances.argmax(axis=1)
        top = chances.max(axis=1).astype(np.float64)
        observe_all(metrics.curve_observations, self.observations)
        for i, survey in enumerate(self.surveys):
            ours = self.survey == i
            observe_all(metrics.confidence.labels(survey), top[ours])
            metrics.anomalies.labels(survey).inc(int(self.said.anomalies[ours].sum()))
            counts = np.bincount(best[ours])
            for j in np.flatnonzero(counts).tolist():
                metrics.classifications.labels(survey, CLASSES[j].name).inc(int(counts[j]))


def seconds_since(times_ms: NDArray[np.int64], now_ms: int) -> NDArray[np.float64]:
    """How long ago times are that are known [s]."""
    ago: NDArray[np.float64] = np.maximum(0, now_ms - times_ms[times_ms > 0]) / 1000
    return ago
