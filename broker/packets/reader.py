"""Decode and adapt in one: a batch's messages in, alerts, declined ones and poisons out."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from broker.errors import PoisonMessage, Reason
from broker.kafka.batch import Batch
from broker.packets.decoded import Decoded, Packets
from broker.packets.foreign import foreign
from broker.packets.framings import unwrap
from broker.packets.projection import Projection, compile_projection
from broker.packets.registry import Registry, native_registry
from broker.surveys.adapted import Adapted, Poisons
from broker.surveys.known import Survey, survey_named
from model.alerts import Alerts
from model.features import CONTEXT
from model.observation import OBSERVATION
from schemas.catalogue import Schema


@dataclass(frozen=True, slots=True)
class AlertReader:
    """Reads the alerts of every survey whose packets are known here."""

    max_message_bytes: int
    registry: Registry = field(default_factory=native_registry)
    _projections: dict[int, Projection] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, batch: Batch) -> Decoded:
        """The alerts of a batch, those that are declined, and why the other messages are neither."""
        poisons = Poisons()
        schemas: dict[int, Schema] = {}
        where: defaultdict[int, list[int]] = defaultdict(list)
        bodies = [b""] * len(batch)
        for i, value in enumerate(batch.values):
            try:
                schema, bodies[i] = unwrap(value, self.registry, self.max_message_bytes)
            except PoisonMessage as poison:
                poisons[i] = poison
            else:
                schemas[id(schema)] = schema
                where[id(schema)].append(i)
        parts = list[Adapted]()
        which = np.full(len(batch), -1, np.int64)
        for number, (key, schema) in enumerate(schemas.items()):
            at = np.array(where[key], np.int64)
            if (survey := survey_named(schema["name"])) is None:
                lost = PoisonMessage(Reason.UNKNOWN_SCHEMA, f"no survey here has {schema['name']}")
                poisons |= dict.fromkeys(where[key], lost)
                continue
            columns, broken = self._projection(schema, survey).read([bodies[i] for i in at], survey.longest_history)
            poisons |= {int(at[i]): named(batch.values[at[i]], poison) for i, poison in broken.items()}
            message = at[columns.which]
            which[message] = number
            adapted = survey.alerts(columns, message, batch.sent_ms[message])
            parts.append(adapted)
            poisons |= adapted.poisons
        for i in poisons:
            which[i], bodies[i] = -1, b""
        declined = np.sort(np.concatenate([np.empty(0, np.int64), *(part.declined for part in parts)]))
        packets = Packets(list(schemas.values()), which, bodies)
        return Decoded(together([part.alerts for part in parts]), declined, poisons, packets)

    def survey_of(self, value: bytes | None) -> str | None:
        """The survey that a message names, where its bytes can be read so far."""
        try:
            schema, body = unwrap(value, self.registry, self.max_message_bytes)
        except PoisonMessage:
            return None
        if (survey := survey_named(schema["name"])) is None:
            return None
        columns, _ = self._projection(schema, survey).read([body], survey.longest_history)
        names = columns.values["survey"].tolist()
        return names[0].decode() if names else None

    def _projection(self, schema: Schema, survey: Survey) -> Projection:
        if id(schema) not in self._projections:
            self._projections[id(schema)] = compile_projection(schema, survey.fields)
        return self._projections[id(schema)]


def named(value: bytes | None, poison: PoisonMessage) -> PoisonMessage:
    """What is wrong with a message that does not decode; what it is instead, where its bytes tell."""
    if looks_like := foreign(value or b""):
        return PoisonMessage(Reason.NOT_AVRO, f"these bytes are no Avro, they look like {looks_like}")
    return poison


def together(parts: list[Alerts]) -> Alerts:
    """The alerts of several schemas as one batch's, in the order of their messages."""
    if len(parts) == 1:
        return parts[0]
    none = np.empty(0, np.int64)
    nothing = Alerts(none, none, [], np.empty(0, OBSERVATION), none, np.empty(0, CONTEXT), np.empty((0, 2)), none)
    parts = parts or [nothing]
    message = np.concatenate([p.message for p in parts])
    order = np.argsort(message, kind="stable")
    counts = np.concatenate([np.diff(p.ends, prepend=0) for p in parts])
    rows = np.concatenate([p.rows for p in parts])
    ends = np.cumsum(counts)
    objects = [o for p in parts for o in p.objects]
    moved = [rows[ends[i] - counts[i] : ends[i]] for i in order.tolist()]
    return Alerts(
        message=message[order],
        alert_ids=np.concatenate([p.alert_ids for p in parts])[order],
        objects=[objects[i] for i in order.tolist()],
        rows=np.concatenate(moved) if moved else rows,
        ends=np.cumsum(counts[order]),
        contexts=np.concatenate([p.contexts for p in parts])[order],
        places_deg=np.concatenate([p.places_deg for p in parts])[order],
        sent_ms=np.concatenate([p.sent_ms for p in parts])[order],
    )
