"""Work: a part of a batch with the fate of each of its messages, ready to be committed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from broker.counts import Counts
from broker.errors import PoisonMessage, Reason
from broker.interfaces import Model
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.lightcurves.plan import DUPLICATE, Plan
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
    counts: Counts
    records: list[Record] = field(default_factory=list)  # to be published
    states: list[tuple[bytes, bytes]] = field(default_factory=list)  # to be saved
    shade: Any = None  # what the model's shadow says, where it has one


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
    reasons = (str(poison.reason) for poison in poisons.values())
    return Work(
        batch, model, plan, Counts.of(batch, decoded, plan, answered, said, reasons), records=[*published, *letters]
    )


def tell_of(batch: Batch, poisons: Poisons) -> None:
    """Log the first dead letter of each reason."""
    for reason, i in {poison.reason: i for i, poison in sorted(poisons.items(), reverse=True)}.items():
        topic, partition = batch.places[batch.place[i]]
        place = f"{topic}[{partition}]@{batch.offsets[i]}"
        log.warning("dead letter", first=place, reason=reason, detail=poisons[i].detail)
