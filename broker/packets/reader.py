"""Decode and adapt in one: a batch's messages in, alerts out, and what is wrong with those that are none."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage, Reason
from broker.kafka.batch import Batch
from broker.packets.columns import Columns
from broker.packets.fields import Fields
from broker.packets.foreign import foreign
from broker.packets.framings import unwrap
from broker.packets.projection import Projection, compile_projection
from broker.packets.registry import Registry, native_registry
from broker.surveys import native
from model.alerts import Alerts
from model.features import CONTEXT
from model.observation import OBSERVATION
from schemas.catalogue import Schema

Poisons = dict[int, PoisonMessage]  # by message of the batch
Adapt = Callable[[Columns, NDArray[np.int64], NDArray[np.int64]], tuple[Alerts, Poisons]]

SURVEYS: dict[str, tuple[Fields, Adapt]] = {"misweeper.Observation": (native.FIELDS, native.alerts)}


@dataclass(frozen=True, slots=True)
class AlertReader:
    """Reads the alerts of every survey whose packets are known here."""

    max_message_bytes: int
    registry: Registry = field(default_factory=native_registry)
    _projections: dict[int, Projection] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, batch: Batch) -> tuple[Alerts, Poisons]:
        """The alerts of a batch, and why the other messages have none."""
        poisons: Poisons = {}
        bodies: defaultdict[int, list[bytes]] = defaultdict(list)
        where: defaultdict[int, list[int]] = defaultdict(list)
        schemas = {}
        for i, value in enumerate(batch.values):
            try:
                schema, body = unwrap(value, self.registry, self.max_message_bytes)
            except PoisonMessage as poison:
                poisons[i] = poison
            else:
                schemas[id(schema)] = schema
                bodies[id(schema)].append(body)
                where[id(schema)].append(i)
        parts = []
        for number, schema in schemas.items():
            if (known := SURVEYS.get(schema["name"])) is None:
                lost = PoisonMessage(Reason.UNKNOWN_SCHEMA, f"no survey here has {schema['name']}")
                poisons |= dict.fromkeys(where[number], lost)
                continue
            _, adapt = known
            columns, broken = self._projection(schema).read(bodies[number], native.LONGEST_HISTORY)
            at = np.array(where[number], np.int64)
            poisons |= {int(at[i]): named(batch.values[at[i]], poison) for i, poison in broken.items()}
            which = at[columns.which]
            found, wrong = adapt(columns, which, batch.timestamps_ms[which])
            parts.append(found)
            poisons |= wrong
        return together(parts), poisons

    def survey_of(self, value: bytes | None) -> str | None:
        """The survey that a message names, where its bytes can be read so far."""
        try:
            schema, body = unwrap(value, self.registry, self.max_message_bytes)
        except PoisonMessage:
            return None
        columns, _ = self._projection(schema).read([body], native.LONGEST_HISTORY)
        names = columns.values["survey"].tolist()
        return names[0].decode() if names else None

    def _projection(self, schema: Schema) -> Projection:
        if id(schema) not in self._projections:
            self._projections[id(schema)] = compile_projection(schema, SURVEYS[schema["name"]][0])
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
