"""Read: a consumer group's share of the topics.

Offsets of alerts are never committed here: the sink does it, in the transaction that publishes what they led to. A
batch is done again from where Kafka says that the group stands: a commit may take effect though its answer is lost.
Rebalances happen inside `read` and `back_off` alone, where no transaction is open. Where a partition has nothing at the
offset to go on from (retention took it, the topic was made anew), what happens is configured, never silent.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from broker.errors import StartupError, TransientError
from broker.kafka.message import Message, received

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
        on_out_of_range: called where offsets are left out, or read again, because there is nothing at the one wanted.
        start: earliest or latest, where the group has no offset yet.
        out_of_range: where there is nothing at its offset: earliest, latest, stop, or safe, which goes on at the
            earliest where retention passed the group by, and stops where the log is shorter than what was read.
    """

    def __init__(
        self,
        config: dict[str, Any],
        topics: Iterable[str],
        on_assignment: Callable[[set[tuple[str, int]]], None],
        on_out_of_range: Callable[[], None] = lambda: None,
        *,
        start: str = "earliest",
        out_of_range: str = "safe",
    ) -> None:
        self._start, self._out_of_range = start, out_of_range
        self._on_out_of_range = on_out_of_range
        self._assigned: set[tuple[str, int]] = set()
        self._again: dict[tuple[str, int], int] = {}  # by partition, the first offset to read again
        self._unplaced: set[tuple[str, int]] = set()  # partitions that have no offset to go on from
        self._on_assignment = on_assignment
        self._missing: set[str] = set()
        self._away: str | None = None  # why no server can be reached
        self._consumer = Consumer(
            {
                "partition.assignment.strategy": "cooperative-sticky",
                "auto.offset.reset": "error",  # then it is ours to decide
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
        if self._unplaced:
            self._place()
        batch, failed = [], []
        for message in self._consumer.consume(max_messages, timeout_s):
            if message.error() is None:
                batch.append(received(message))
            else:
                failed.append(message)
        for message in failed:
            self._handle(message, raising=not batch)  # what was read must not be lost for what was not
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
            self.rewind([received(message)])
        elif message is not None:
            self._handle(message, raising=False)
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
        committed = self._ask_committed([TopicPartition(*place) for place in self._again.keys() - self._unplaced])
        try:
            for p in committed:
                first = max(self._again[p.topic, p.partition], p.offset)  # p.offset is negative where there is none
                self._consumer.seek(TopicPartition(p.topic, p.partition, first))
        except KafkaException as error:
            raise TransientError("kafka", error.args[0].str()) from error
        self._again.clear()

    def _ask_committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        """The group's offsets, once no transaction holds them; negative where it has none. Raises TransientError."""
        if not places:
            return []
        try:
            committed = self._consumer.committed(places, ANSWER_S)
        except KafkaException as error:
            raise TransientError("kafka", error.args[0].str()) from error
        if refused := [p.error for p in committed if p.error]:
            raise TransientError("kafka", refused[0].str())
        return committed

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._away = error.str()

    def _handle(self, message: "KafkaMessage", *, raising: bool) -> None:
        error = message.error()
        assert error
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._unplaced.add((message.topic() or "", message.partition() or 0))
        elif error.code() in NOT_THERE_YET:
            if (text := error.str()) not in self._missing:
                self._missing.add(text)
                log.warning("waiting for a topic that does not exist yet", error=text)
        elif error.fatal():
            raise KafkaException(error)
        elif raising:
            raise TransientError("kafka", error.str())
        else:
            log.warning("Kafka", error=error.str())

    def _place(self) -> None:
        """Begin where a partition has not been read by the group, or has nothing at its offset any more.

        The place is committed, so that whoever comes next begins there too. Raises TransientError, StartupError.
        """
        self._unplaced &= self._assigned
        for p in self._ask_committed([TopicPartition(*place) for place in self._unplaced]):
            try:
                low, high = self._consumer.get_watermark_offsets(p, ANSWER_S)
                begin = TopicPartition(p.topic, p.partition, self._beginning(p, low, high))
                self._consumer.commit(offsets=[begin], asynchronous=False)
            except KafkaException as error:
                raise TransientError("kafka", error.args[0].str()) from error
            self._consumer.incremental_unassign([p])  # a partition that has stopped cannot seek
            self._consumer.incremental_assign([begin])
            self._unplaced.discard((p.topic, p.partition))

    def _beginning(self, p: TopicPartition, low: int, high: int) -> int:
        """The offset to begin at, for a partition that has those from `low` to before `high`. Raises StartupError."""
        ends = {"earliest": low, "latest": high}
        if p.offset < 0:
            return ends[self._start]
        policy = self._out_of_range
        if policy == "safe":
            policy = "earliest" if p.offset < low else "stop"
        partition = f"{p.topic}[{p.partition}]"
        if policy == "stop":
            raise StartupError(
                f"{partition} has the offsets {low} to {high}, the group stands at {p.offset}; find out why, then set "
                "MISWEEPER_KAFKA__OUT_OF_RANGE: earliest where the topic was made anew, latest where its end was lost"
            )
        log.error("offset out of range", partition=partition, offset=p.offset, going_on_at=ends[policy])
        self._on_out_of_range()
        return ends[policy]

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
