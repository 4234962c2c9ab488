"""A Kafka message that was read, as every stage sees it, and one that is to be published."""

from typing import NamedTuple


class Message(NamedTuple):
    """Bytes and where they stood. `timestamp_ms` is Kafka's: when the producer sent it, or the log received it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Record(NamedTuple):
    """Bytes and where they go."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
