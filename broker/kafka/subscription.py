"""Read our own topics as any subscriber would: committed classifications only."""

import json
import struct
import uuid
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from time import monotonic
from typing import Any, NamedTuple

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from broker.kafka.batch import Place
from broker.kafka.fetching import FETCH_AGAIN
from broker.kafka.troubles import Troubles
from schemas import catalogue

WIRE = struct.Struct(">bI")
CONTAINER = b"Obj\x01"
QUIET_S, ANSWER_S = 3.0, 2.0  # after so long without a message Kafka is asked, and has so long to answer
# A stranger's bytes.
NOT_OURS = (LookupError, struct.error, ValueError, EOFError, TypeError, OverflowError, MemoryError, StopIteration)


class Published(NamedTuple):
    """One message of ours, decoded."""

    topic: str
    record: dict[str, Any]
    source: tuple[str, int, int]  # topic, partition and offset of the alert it answers
    key: bytes | None = None


class Subscription:
    """A consumer at read_committed, in a group of its own.

    Args:
        config: librdkafka's settings for servers and security.
        schemas: the schema's name for each topic.
        start: earliest or latest.
        first: the offset to begin with in each partition; one that is not among them begins with its first message.
        bare: topics of bodies without any framing.
    """

    def __init__(
        self,
        config: dict[str, Any],
        schemas: dict[str, str],
        start: str = "earliest",
        first: Mapping[Place, int] | None = None,
        bare: Collection[str] = (),
    ) -> None:
        self._bare = frozenset(bare)
        self.strangers = 0  # messages that are none of ours
        self._heard = monotonic()  # of Kafka
        self._unwell = ""  # what it did not answer, or says of a topic
        self._schemas = {topic: catalogue.load(name) for topic, name in schemas.items()}
        self._troubles = Troubles()
        self._consumer = Consumer(
            {
                **FETCH_AGAIN,
                **config,
                "group.id": f"misweeper-subscription-{uuid.uuid4()}",
                "auto.offset.reset": start,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,  # a commit does not wake a fetch that waits at read_committed
                "error_cb": self._troubles,
            }
        )
        if first is None:
            self._consumer.subscribe(list(schemas))
        else:
            self._consumer.subscribe(list(schemas), on_assign=lambda c, parts: c.assign(beginning(parts, first)))

    def poll(self, max_messages: int, timeout_s: float) -> Iterator[Published]:
        """What has been published since the last poll; what is none of ours is counted. Raises KafkaException."""
        for message in self._consumer.consume(max_messages, timeout_s):
            if error := message.error():
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise KafkaException(error)
            self._well()
            topic = message.topic() or ""
            key = message.key()
            try:
                record = decode(message.value() or b"", self._schemas[topic], key, bare=topic in self._bare)
                answered = source(message.headers() or ())
            except (*NOT_OURS, SystemError):  # the client's own, for a header's name that is no UTF-8
                self.strangers += 1
                continue
            yield Published(topic, record, answered, key if isinstance(key, bytes) else None)

    def look(self) -> None:
        """Ask Kafka whether it is well, where it has sent nothing for some seconds: silence does not say so.

        A message is not waited for, neither to say what is wrong nor to say that it is over.
        """
        if monotonic() - self._heard < QUIET_S:
            return
        try:
            topics = self._consumer.list_topics(timeout=ANSWER_S).topics
        except KafkaException as error:
            self._unwell = self._troubles.told(error.args[0])
            return
        lost = [topic for topic in self._schemas if topic not in topics or topics[topic].error is not None]
        self._well(f"there is no topic {lost[0]} any more" if lost else "")

    def _well(self, but: str = "") -> None:
        self._heard, self._unwell = monotonic(), but
        self._troubles.over()

    @property
    def trouble(self) -> str:
        """What keeps messages from coming, as far as anybody has noticed; "" where nothing does."""
        return self._troubles.told("Kafka cannot be reached") if self._troubles else self._unwell

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def beginning(partitions: list[TopicPartition], first: Mapping[Place, int]) -> list[TopicPartition]:
    """Partitions, each at the offset to begin with."""
    return [
        TopicPartition(p.topic, p.partition, first.get((p.topic, p.partition), OFFSET_BEGINNING)) for p in partitions
    ]


def decode(
    value: bytes, schema: catalogue.Schema, key: bytes | str | None = None, *, bare: bool = False
) -> dict[str, Any]:
    """The record of a message in any framing that we publish: Confluent's wire, a container, the schema in the key.

    In the wire framing it may be of any version of ours: it is read as one of `schema`. A body alone is told from the
    wire framing by who asks, not by its bytes, and is of `schema`. Raises one of NOT_OURS.
    """
    record: Any
    if value.startswith(CONTAINER) or (isinstance(key, bytes) and key.startswith(b"{")):
        try:
            record = self_described(value, key)
        except Exception as error:
            raise ValueError("a schema or a body that is none") from error  # in fastavro's many words
    else:
        writer = schema if bare else catalogue.by_id(WIRE.unpack_from(value)[1])
        if writer["name"] != schema["name"]:
            raise ValueError(writer["name"])
        body = BytesIO(value if bare else value[WIRE.size :])
        record = fastavro.schemaless_reader(body, writer, None if writer is schema else schema)
    if not isinstance(record, dict):
        raise TypeError("no record")
    return record


def decoded(
    value: bytes | None, schema: catalogue.Schema, key: bytes | None = None, *, bare: bool = False
) -> dict[str, Any] | None:
    """The same, None for what is none of ours."""
    try:
        return decode(value or b"", schema, key, bare=bare)
    except NOT_OURS:
        return None


def self_described(value: bytes, key: bytes | str | None) -> object:
    """What a container holds that is not compressed, as ours are not; or a body whose schema is its key."""
    if value.startswith(CONTAINER):
        reader = fastavro.reader(BytesIO(value))
        if reader.codec != "null":  # it could be gigabytes
            raise ValueError(reader.codec)
        return next(reader)
    assert isinstance(key, bytes)
    return fastavro.schemaless_reader(BytesIO(value), parsed_key(key.strip()), None)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def parsed_key(key: bytes) -> object:
    """The schema that stands in a key."""
    return fastavro.parse_schema(json.loads(key))


def source(headers: Any) -> tuple[str, int, int]:  # noqa: ANN401 - confluent-kafka types them loosely
    """The place of the alert that a message answers."""
    found = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers}
    return str(found["source_topic"]), int(found["source_partition"] or 0), int(found["source_offset"] or 0)
