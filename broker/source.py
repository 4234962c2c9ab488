"""Read: a consumer group's share of the topics.

Offsets are never committed here: the sink commits them, in the transaction that publishes what they led to. A batch is
done again from where Kafka says that the group stands: a commit may have taken effect although its answer was lost.
Rebalances happen inside `read` and `back_off` alone, where no transaction is open.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from broker.errors import TransientError
from broker.message import Message

if TYPE_CHECKING:
    from confluent_kafka import Message as KafkaMessage

log = structlog.get_logger(__name__)

FETCH_WAIT_MS = 10
ANSWER_S = 1.0  # how long Kafka may take to answer a question
NOT_THERE_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001 - librdkafka's names


class KafkaSource:
    """A consumer in a group, cooperative-sticky.

    Args:
        config: librdkafka's settings for servers, security and group.
        topics: names, or regular expressions that begin with ^.
        on_assignment: called with the partitions now held, after each change.
    """

    def __init__(
        self, config: dict[str, Any], topics: Iterable[str], on_assignment: Callable[[set[tuple[str, int]]], None]
    ) -> None:
        self._assigned: set[tuple[str, int]] = set()
        self._again: dict[tuple[str, int], int] = {}  # by partition, the first offset to read again
        self._on_assignment = on_assignment
        self._missing: set[str] = set()
        self._away: str | None = None  # why no server can be reached
        self._consumer = Consumer(
            {
                "partition.assignment.strategy": "cooperative-sticky",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "topic.metadata.refresh.interval.ms": 5_000,  # new topics and partitions are seen within seconds
                # Kafka answers a fetch every few milliseconds with all that has come, not once for each message.
                "fetch.min.bytes": 1_000_000,
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "enable.partition.eof": False,
                **config,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "error_cb": self._on_error,
            }
        )
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to max_messages messages, within timeout_s. Raises TransientError where Kafka cannot be read."""
        if self._away:
            self._look_for_servers()
        if self._again:
            self._go_back()
        batch, errors = [], []
        for message in self._consumer.consume(max_messages, timeout_s):
            if (error := message.error()) is None:
                batch.append(_message(message))
            else:
                errors.append(error)
        for error in errors:
            self._handle(error, raising=not batch)  # what was read must not be lost for what was not
        return [m for m in batch if (m.topic, m.partition) in self._assigned]  # a rebalance may come in between

    def rewind(self, batch: Iterable[Message]) -> None:
        """The next read begins with this batch again, or behind what of it is committed."""
        for m in batch:
            if (m.topic, m.partition) in self._assigned:
                self._again.setdefault((m.topic, m.partition), m.offset)

    def back_off(self, seconds: float) -> None:
        """Let time go by without reading, still a living member of the group."""
        held = [TopicPartition(topic, partition) for topic, partition in self._assigned]
        self._consumer.pause(held)
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is None:  # of a partition that was assigned meanwhile
            self.rewind([_message(message)])
        still = [p for p in held if (p.topic, p.partition) in self._assigned]
        self._consumer.resume(still)

    def group_metadata(self) -> Any:  # noqa: ANN401 - confluent-kafka's own object
        """What the transaction needs to know of the group, so that a zombie's offsets are refused (KIP-447).

        Raises TransientError where we are no member any more: offsets that name no member would not be refused.
        """
        member = self._consumer.memberid()
        metadata = self._consumer.consumer_group_metadata()
        if not member or self._consumer.memberid() != member:
            raise TransientError("kafka", "the group has expelled this worker")
        return metadata

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _look_for_servers(self) -> None:
        try:
            self._consumer.list_topics(timeout=ANSWER_S)
        except KafkaException as error:
            raise TransientError("kafka", self._away or str(error)) from error
        self._away = None

    def _go_back(self) -> None:
        """Seek in each partition to what is to be read again, if it is not committed. Raises TransientError."""
        asked = [TopicPartition(topic, partition) for topic, partition in self._again]
        try:
            committed = self._consumer.committed(asked, ANSWER_S)  # waits for what a transaction still holds
        except KafkaException as error:
            raise TransientError("kafka", error.args[0].str()) from error
        if refused := [p.error for p in committed if p.error]:
            raise TransientError("kafka", refused[0].str())
        for p in committed:
            first = max(self._again[p.topic, p.partition], p.offset)  # p.offset is negative where nothing is committed
            self._consumer.seek(TopicPartition(p.topic, p.partition, first))
        self._again.clear()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._away = error.str()

    def _handle(self, error: KafkaError, *, raising: bool) -> None:
        if error.code() in NOT_THERE_YET:
            if (text := error.str()) not in self._missing:
                self._missing.add(text)
                log.warning("waiting for a topic that does not exist yet", error=text)
        elif error.fatal():
            raise KafkaException(error)
        elif raising:
            raise TransientError("kafka", error.str())
        else:
            log.warning("Kafka", error=error.str())

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._consumer.incremental_assign(partitions)
        self._missing.clear()
        self._change(self._assigned | {(p.topic, p.partition) for p in partitions})

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._consumer.resume(partitions)  # librdkafka would keep it paused, should it ever be assigned to us again
        self._consumer.incremental_unassign(partitions)
        self._change(self._assigned - {(p.topic, p.partition) for p in partitions})

    def _change(self, assigned: set[tuple[str, int]]) -> None:
        self._assigned = assigned
        self._again = {place: first for place, first in self._again.items() if place in assigned}
        self._on_assignment(assigned)


def next_offsets(batch: Iterable[Message]) -> list[TopicPartition]:
    """Where each partition goes on after a batch."""
    ends: dict[tuple[str, int], int] = {}
    for m in batch:
        ends[m.topic, m.partition] = max(ends.get((m.topic, m.partition), OFFSET_INVALID), m.offset + 1)
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]


def _message(message: "KafkaMessage") -> Message:
    return Message(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),  # type: ignore[arg-type]  # a consumer's headers are pairs
    )
