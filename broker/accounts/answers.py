"""Outputs on their way into the ledgers: which offset each one answers, and with which fate."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import fastavro
import numpy as np

from broker.accounts.ledger import ANOMALY, FATE_BITS, FLAGGED, Ledger
from broker.kafka.batch import Place
from broker.kafka.message import Message
from broker.kafka.subscription import NOT_OURS, source
from broker.packets.framings import WIRE
from schemas.catalogue import Schema, by_id, load

NOTED = 20_000  # answers between two updates of the ledgers
FATE_BYTES = 64  # of a dead letter, in which its first field ends


class Answers:
    """Outputs on their way into the ledgers."""

    def __init__(self, ledgers: Mapping[Place, Ledger]) -> None:
        self._ledgers = ledgers
        self._waiting: defaultdict[tuple[Place, np.uint8], list[int]] = defaultdict(list)
        self._count = 0
        self.nameless = 0

    def take(self, messages: Sequence[Message], bits: Callable[[bytes], np.uint8]) -> None:
        """Some messages of one output topic; `bits` says what the value of one means."""
        for message in messages:
            try:
                topic, partition, offset = source(message.headers)
                place = topic, partition
                if place in self._ledgers:
                    self._waiting[place, bits(message.value or b"")].append(offset)
            except NOT_OURS:
                self.nameless += 1
        self._count += len(messages)
        if self._count > NOTED:
            self.note()

    def note(self) -> None:
        """Write down what is waiting."""
        for (place, bits), offsets in self._waiting.items():
            self._ledgers[place].note(bits, offsets)
        self._waiting.clear()
        self._count = 0


def published_bits(value: bytes) -> np.uint8:
    """A classification."""
    writer = by_id(WIRE.unpack_from(value)[1])  # of any version
    flagged: dict[str, Any] = fastavro.schemaless_reader(BytesIO(value[WIRE.size :]), writer, FLAG)  # type: ignore[assignment]
    return FATE_BITS["published"] | FLAGGED if flagged["anomaly"] else FATE_BITS["published"]


def anomaly_bits(_: bytes) -> np.uint8:
    """A message on the anomalies topic."""
    return ANOMALY


def letter_bits(value: bytes) -> np.uint8:
    """A dead letter."""
    return FATE_BITS[first_field(value)]


def fate_of(value: bytes) -> str | None:
    """What a dead letter says of its message; None of a stranger's bytes."""
    try:
        return first_field(value)
    except NOT_OURS:
        return None


def first_field(value: bytes) -> str:
    """The fate that a dead letter tells of: nothing else of it is read. Raises one of NOT_OURS."""
    start = BytesIO(value[WIRE.size : WIRE.size + FATE_BYTES])
    letter: dict[str, Any] = fastavro.schemaless_reader(start, FATE, None)  # type: ignore[assignment]
    fate: str = letter["fate"]
    return fate


def first_fields(name: str, field: str) -> Schema:
    """A schema of ours cut down to one field."""
    schema = load(name)
    fields = [one for one in schema["fields"] if one["name"] == field]
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": schema["name"], "fields": fields})  # type: ignore[assignment]
    return parsed


FLAG = first_fields("classification", "anomaly")
FATE = first_fields("dead_letter", "fate")
