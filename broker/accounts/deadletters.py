"""Dead letters read back: which there are, and all that one of them says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.errors import StartupError, TransientError
from broker.kafka import spans
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.kafka.subscription import NOT_OURS
from broker.packets.framings import WIRE
from broker.packets.reader import AlertReader
from broker.text import calendar, printable
from schemas.catalogue import Schema, load

MARGIN_MS = 3_600_000  # Kafka's time of a letter and ours may differ: clocks do
DUMPED = 256  # bytes in a hexdump, of a key, of a header
DETAIL = 500  # characters, as many as a letter has


class Letter(NamedTuple):
    """A message on the dead-letters topic."""

    partition: int
    offset: int
    record: dict[str, Any]  # times in ms since 1970

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands itself."""
        return self.partition, self.offset

    @property
    def source(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the message that it is about."""
        return self.record["sourceTopic"], self.record["sourcePartition"], self.record["sourceOffset"]

    def original(self) -> Message:
        """That message, as far as it is kept."""
        headers = tuple((header["key"], header["value"]) for header in self.record["headers"])
        sent_ms, key, value = (self.record[name] for name in ("sourceTimestamp", "key", "value"))
        return Message(*self.source, timestamp_ms=sent_ms, key=key, value=value, headers=headers)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters; what is None is not asked for."""

    survey_of: Callable[[Letter], str | None]
    fate: str | None = None
    reason: str | None = None
    survey: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is among them."""
        record = letter.record
        return (
            self.fate in (None, record["fate"])
            and self.reason in (None, record["reason"])
            and (self.since_ms is None or record["failedAt"] >= self.since_ms)
            and (self.until_ms is None or record["failedAt"] < self.until_ms)
            and (self.survey is None or self.survey == self.survey_of(letter))
        )


def letter_spans(admin: AdminClient, settings: Settings, since_ms: int | None = None) -> list[Span]:
    """What there is of the dead-letters topic, from a time on. Raises StartupError."""
    places = spans.partitions(admin, [settings.outputs.dead_letters])
    first = spans.oldest(admin, places) if since_ms is None else spans.at_time(admin, places, since_ms - MARGIN_MS)
    last = spans.newest(admin, places)
    return [Span(*place, first[place], last[place]) for place in places]


def own_span(admin: AdminClient, topic: str, partition: int, offset: int) -> Span:
    """The place of one letter. Raises StartupError where Kafka has no such offset: reading would find another."""
    place = topic, partition
    if place not in (places := spans.partitions(admin, [topic])):
        raise StartupError(f"{printable(topic)} has no partition {partition}, only 0 to {len(places) - 1}")
    first, end = spans.oldest(admin, [place])[place], spans.newest(admin, [place])[place]
    if not first <= offset < end:
        there_is = f"has offsets {first} to {end - 1}" if first < end else "is empty"
        raise StartupError(f"no dead letter at {printable(topic)}[{partition}]@{offset}: that partition {there_is}")
    return Span(topic, partition, offset, offset + 1)


def letters(
    settings: Settings, some: Sequence[Span], advanced: Callable[[int], None] = lambda _: None
) -> Iterator[Letter]:
    """The letters of some spans, one in memory at a time. What others wrote there is passed over: reconcile counts it.

    Raises:
        StartupError: Kafka stopped answering.
    """
    for messages in spans.read(settings.kafka.consumer(), some, advanced=advanced):
        for message in messages:
            try:
                yield Letter(message.partition, message.offset, read_letter(message.value or b""))
            except NOT_OURS:
                continue


def read_letter(value: bytes) -> dict[str, Any]:
    """A letter's record. Raises one of NOT_OURS where it is none."""
    record: dict[str, Any] = fastavro.schemaless_reader(BytesIO(value[WIRE.size :]), LETTER, None)  # type: ignore[assignment]
    return record


def row(letter: Letter, survey: str | None) -> dict[str, Any]:
    """A letter without its bytes, as JSON can have it."""
    names = ("failedAt", "fate", "reason", "sourceTopic", "sourcePartition", "sourceOffset", "valueSize", "detail")
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "survey": survey,
        **{name: letter.record[name] for name in names},
    }


def described(letter: Letter, reader: AlertReader) -> Iterator[str]:
    """All that a letter says, a line each; hostile bytes are escaped."""
    record = letter.record
    topic, partition, offset = letter.source
    yield f"source      {printable(topic)}[{partition}]@{offset}, {calendar(record['sourceTimestamp'])}"
    yield f"letter      [{letter.partition}]@{letter.offset}, {calendar(record['failedAt'])}"
    yield f"fate        {printable(record['fate'])}"
    yield f"reason      {printable(record['reason'])}"
    yield f"detail      {printable(record['detail'], DETAIL)}"
    yield f"key         {cut(record['key'])}"
    for header in record["headers"]:
        yield f"header      {printable(header['key'])}: {cut(header['value'])}"
    value = record["value"]
    yield f"value       {'none' if value is None else f'{len(value)} bytes'}, {record['valueSize']} in the original"
    yield from hexdump((value or b"")[:DUMPED])
    yield f"survey      {printable(reader.survey_of(letter.original()) or 'unknown')}"
    try:
        decoded = reader(Batch.of([letter.original()]))
    except TransientError as error:
        yield f"decoding    cannot be tried: {printable(str(error), DETAIL)}"
        return
    for poison in decoded.poisons.values():
        yield f"decoding    {poison.reason}: {printable(poison.detail, DETAIL)}"
    for number, name in zip(decoded.alerts.alert_ids.tolist(), decoded.alerts.objects, strict=True):
        yield f"decoding    works now: alert {number} of {printable(name)}"
    if len(decoded.declined):
        yield "decoding    works now: declined, its object has no light curve"


def cut(value: bytes | None) -> str:
    """Bytes as Python writes them, so many at most."""
    return repr(value) if value is None or len(value) <= DUMPED else f"{value[:DUMPED]!r}, {len(value):,} bytes in all"


def hexdump(data: bytes) -> Iterator[str]:
    """Sixteen bytes a line: where they begin, in hex, as text."""
    for start in range(0, len(data), 16):
        line = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"  {start:04x}  {line.hex(' '):<47}  {text}"


def plain_times(schema: Schema) -> Schema:
    """A schema whose times are read as plain numbers: any number of milliseconds, even beyond the calendar's end."""
    fields = [field | {"type": "long"} if "logicalType" in field["type"] else field for field in schema["fields"]]
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": schema["name"], "fields": fields})  # type: ignore[assignment]
    return parsed


LETTER = plain_times(load("dead_letter"))
