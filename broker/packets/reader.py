"""Decode and adapt in one: a batch's messages in, alerts, declined ones and poisons out."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from broker.errors import PoisonMessage, Reason, TransientError
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.decoded import Decoded, Packets
from broker.packets.foreign import foreign
from broker.packets.formats import Formats, native_formats
from broker.packets.framings import unwrap
from broker.packets.writers import Writer
from broker.surveys.adapted import Adapted, Poisons
from broker.surveys.crossmatch import Matches
from model.alerts import Alerts
from model.features import CONTEXT
from model.observation import OBSERVATION


@dataclass(frozen=True, slots=True)
class AlertReader:
    """Reads the alerts of every survey whose packets are known here."""

    max_message_bytes: int
    formats: Formats = field(default_factory=native_formats)
    fell_back: Callable[[str, int], None] = lambda _survey, _packets: None  # told of what fastavro had to read
    left_out: Callable[[str, int], None] = lambda _survey, _rows: None  # told of rows of histories that cannot be
    matches: Matches = field(default_factory=dict)  # what is known of objects beside their packets

    def __call__(self, batch: Batch) -> Decoded:
        """The alerts of a batch, those that are declined, and why the other messages are neither.

        Raises TransientError where nobody can say for now what a schema id means.
        """
        poisons = Poisons()
        writers = dict[int, Writer]()
        where: defaultdict[int, list[int]] = defaultdict(list)
        bodies = [b""] * len(batch)
        formats = [self.formats.of(topic) for topic, _ in batch.places]
        for i, (value, place) in enumerate(zip(batch.values, batch.place.tolist(), strict=True)):
            try:
                writer, bodies[i] = unwrap(
                    value, partial(batch.key, i), formats[place], self.formats.writers, self.max_message_bytes
                )
            except PoisonMessage as poison:
                poisons[i] = poison
            else:
                writers[id(writer)] = writer
                where[id(writer)].append(i)
        parts = list[Adapted]()
        which = np.full(len(batch), -1, np.int64)
        for number, (key, writer) in enumerate(writers.items()):
            at = np.array(where[key], np.int64)
            columns, broken = writer.projection.read([bodies[i] for i in where[key]], writer.survey.longest_history)
            if writer.slow:
                self.fell_back(writer.survey.name, len(at))
            poisons |= {int(at[i]): named(batch.values[at[i]], poison) for i, poison in broken.items()}
            message = at[columns.which]
            which[message] = number
            adapted = writer.survey.alerts(columns, message, batch.sent_ms[message])
            for table in self.matches.get(writer.survey.name, ()):
                table.fill(adapted.alerts)
            parts.append(adapted)
            if adapted.left_out:
                self.left_out(writer.survey.name, adapted.left_out)
            poisons |= adapted.poisons
        for i in poisons:
            which[i], bodies[i] = -1, b""
        declined = np.sort(np.concatenate([np.empty(0, np.int64), *(part.declined for part in parts)]))
        packets = Packets(
            [writer.schema for writer in writers.values()],
            [writer.survey.name for writer in writers.values()],
            which,
            bodies,
        )
        return Decoded(together([part.alerts for part in parts]), declined, poisons, packets)

    def survey_of(self, message: Message) -> str | None:
        """The survey that a message names or whose schema it has, where its bytes can be read so far."""
        form = self.formats.of(message.topic)
        try:
            writer, body = unwrap(
                message.value, lambda: message.key, form, self.formats.writers, self.max_message_bytes
            )
        except (PoisonMessage, TransientError):
            return None
        if "survey" not in writer.survey.fields:
            return writer.survey.name
        columns, _ = writer.projection.read([body], writer.survey.longest_history)
        names = columns.values["survey"].tolist()
        return names[0].decode() if names else None


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
