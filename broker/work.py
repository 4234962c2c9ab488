"""Work: a part of a batch with the fate of each of its messages, ready to be committed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from broker.errors import PoisonMessage, Reason
from broker.interfaces import Model
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.lightcurves.plan import DUPLICATE, Plan
from broker.metrics import Metrics
from broker.packets.decoded import Decoded
from broker.surveys.adapted import Poisons
from model.runs import Verdicts

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Work:
    """A part of a batch that is ready to be committed, and what is to be done and counted then."""

    batch: Batch
    model: Model
    plan: Plan
    records: list[Record] = field(default_factory=list)  # to be published
    states: list[tuple[bytes, bytes]] = field(default_factory=list)  # to be saved
    shade: Any = None  # what the model's shadow says, where it has one
    reasons: list[str] = field(default_factory=list)  # of dead letters
    duplicates: int = 0
    declined: int = 0
    anomalies: int = 0

    def count(self, metrics: Metrics, now_ms: int) -> None:
        """Count it; after the commit alone, so that what is counted is what happened."""
        metrics.batch_size.observe(len(self.batch))
        metrics.fates.labels("published").inc(len(self.batch) - self.duplicates - self.declined - len(self.reasons))
        metrics.fates.labels("duplicate").inc(self.duplicates)
        metrics.fates.labels("declined").inc(self.declined)
        metrics.fates.labels("dead_letter").inc(len(self.reasons))
        for reason in self.reasons:
            metrics.dead_letters.labels(reason).inc()
        metrics.curves.labels("stepped").inc(self.plan.stepped)
        metrics.curves.labels("recomputed").inc(self.plan.recalled)
        metrics.unreadable.inc(self.plan.unreadable)
        metrics.anomalies.inc(self.anomalies)
        sent_ms = self.batch.sent_ms
        metrics.observe_latencies(np.maximum(0, now_ms - sent_ms[sent_ms > 0]) / 1000)


def work_of(
    model: Model, batch: Batch, decoded: Decoded, plan: Plan, verdicts: Verdicts, read_ms: int, publish_ms: int
) -> Work:
    """The fate of each message: published, duplicate, declined or dead letter. For times see ClassificationEncoder."""
    alerts, poisons, outputs = decoded.alerts, decoded.poisons, model.outputs
    for i, why in plan.aside.items():
        poisons[int(alerts.message[i])] = PoisonMessage(Reason.SET_ASIDE, why)
    answered = np.flatnonzero(plan.verdicts >= 0)
    said = verdicts.take(plan.verdicts[answered])
    published = outputs.published(batch, decoded, answered, said, plan.observations[answered], read_ms, publish_ms)
    duplicates = alerts.message[plan.verdicts == DUPLICATE].tolist()
    letters = [
        *(outputs.dead_letter(batch.message(i), poison, read_ms) for i, poison in sorted(poisons.items())),
        *(outputs.duplicate(batch.message(i), read_ms) for i in duplicates),
        *outputs.declined(batch, decoded, read_ms),
    ]
    tell_of(batch, poisons)
    return Work(
        batch,
        model,
        plan,
        [*published, *letters],
        reasons=[str(poison.reason) for poison in poisons.values()],
        duplicates=len(duplicates),
        declined=len(decoded.declined),
        anomalies=int(said.anomalies.sum()),
    )


def tell_of(batch: Batch, poisons: Poisons) -> None:
    """Log the first dead letter of each reason."""
    for reason, i in {poison.reason: i for i, poison in sorted(poisons.items(), reverse=True)}.items():
        topic, partition = batch.places[batch.place[i]]
        place = f"{topic}[{partition}]@{batch.offsets[i]}"
        log.warning("dead letter", first=place, reason=reason, detail=poisons[i].detail)
