"""A Kafka message that was read, as every stage sees it, and one that is to be published."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from confluent_kafka import Message as KafkaMessage

Headers = list[tuple[str, str | bytes | None]]  # of a message that is to be published


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
    headers: Headers


def received(message: "KafkaMessage") -> Message:
    """What a consumer got, as we know it."""
    return Message(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
    )


def headers_of(message: "KafkaMessage") -> tuple[tuple[str, bytes | None], ...]:
    """A message's headers; none where one has a name that is no UTF-8."""
    try:
        return tuple(message.headers() or ())  # type: ignore[arg-type]  # a consumer's headers are pairs
    except (SystemError, UnicodeDecodeError):
        return ()
