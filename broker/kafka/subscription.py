"""Read our own topics as any subscriber would: committed classifications only."""

import struct
import uuid
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException

from broker.kafka.troubles import Troubles
from schemas import catalogue

WIRE = struct.Struct(">bI")
NOT_OURS = (KeyError, ValueError, EOFError, IndexError, TypeError, OverflowError, MemoryError)  # a stranger's bytes


class Published(NamedTuple):
    """One message of ours, decoded."""

    topic: str
    record: dict[str, Any]
    source: tuple[str, int, int]  # topic, partition and offset of the alert it answers


class Subscription:
    """A consumer at read_committed, in a group of its own.

    Args:
        config: librdkafka's settings for servers and security.
        schemas: the schema's name for each topic.
        start: earliest or latest.
    """

    def __init__(self, config: dict[str, Any], schemas: dict[str, str], start: str = "earliest") -> None:
        self.strangers = 0  # messages that are none of ours
        self._schemas = {topic: catalogue.load(name) for topic, name in schemas.items()}
        self._troubles = Troubles()
        self._consumer = Consumer(
            {
                **config,
                "group.id": f"misweeper-subscription-{uuid.uuid4()}",
                "auto.offset.reset": start,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,  # a commit does not wake a fetch that waits at read_committed
                "error_cb": self._troubles,
            }
        )
        self._consumer.subscribe(list(schemas))

    def poll(self, max_messages: int, timeout_s: float) -> Iterator[Published]:
        """What has been published since the last poll; what is none of ours is counted. Raises KafkaException."""
        for message in self._consumer.consume(max_messages, timeout_s):
            if error := message.error():
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise KafkaException(error)
            self._troubles.over()
            topic = message.topic() or ""
            try:
                record = decode(message.value() or b"", self._schemas[topic])
                answered = source(message.headers() or ())
            except (*NOT_OURS, SystemError):  # the client's own, for a header's name that is no UTF-8
                self.strangers += 1
                continue
            yield Published(topic, record, answered)

    @property
    def trouble(self) -> str:
        """What keeps messages from coming, as far as Kafka's client has noticed; "" where nothing does."""
        return self._troubles.told("Kafka cannot be reached") if self._troubles else ""

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def decode(value: bytes, schema: catalogue.Schema) -> dict[str, Any]:
    """The record behind the five bytes of the Confluent wire framing."""
    record: dict[str, Any] = fastavro.schemaless_reader(BytesIO(value[WIRE.size :]), schema, None)  # type: ignore[assignment]
    return record


def source(headers: Any) -> tuple[str, int, int]:  # noqa: ANN401 - confluent-kafka types them loosely
    """The place of the alert that a message answers."""
    found = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers}
    return str(found["source_topic"]), int(found["source_partition"] or 0), int(found["source_offset"] or 0)
