"""Read: a consumer group's share of the topics.

Offsets of alerts are never committed here: the sink does it, in the transaction that publishes what they led to. A
batch is done again from where Kafka says that the group stands: a commit may take effect though its answer is lost.
Rebalances happen inside `read` and `back_off` alone. Where a partition has nothing at the offset to go on from
(retention took it, the topic was made anew), what happens is configured, never silent.

One batch may be read while the one before is committed. So, before partitions are given up, what is in flight is
waited for, with one deadline; and before anything is read again, until nothing is in flight: else it could be read from
before a commit that then takes effect. All that was read and not committed by then is void: its epoch is over.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from broker.errors import TransientError
from broker.kafka import cutoff
from broker.kafka.batch import Batch, Membership, Place
from broker.kafka.beginnings import ANSWER_S, Beginnings, committed
from broker.kafka.cutoff import CutOff
from broker.kafka.doubts import Doubts
from broker.kafka.fetching import fetching
from broker.kafka.times import SETTLE_S
from broker.kafka.transactions import bounded
from broker.kafka.troubles import Troubles
from broker.kafka.unread import Unread
from broker.patterns import check_pattern

log = structlog.get_logger(__name__)

MOST_BYTES = 64 * 1024 * 1024
IN_FLIGHT = 2  # batches that a worker can have written to the store and not committed
CHUNK = 256  # messages taken from the client at once; what is too much of them waits for the next batch
NOT_THERE_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001 - librdkafka's names


class KafkaSource:
    """A consumer in a group, cooperative-sticky.

    Args:
        config: librdkafka's settings for servers, security and group.
        topics: names, or regular expressions that begin with ^.
        on_assignment: called with the partitions now held, after each change.
        on_out_of_range: called where offsets are left out, or read again, because there is nothing at the one wanted.
        on_added: called where a partition begins at its first message, though `start` is latest: it came later.
        settle: waits until nothing is in flight, so many seconds at most; whether that is so.
        start: earliest or latest, where the group has no offset yet.
        out_of_range: see `Beginnings`.
        outputs: topics that are never input, whatever a regular expression says.
        max_messages: of a batch, of the largest that any worker of the group reads.
        max_bytes: of a batch's values, but for one message that is larger alone.
        unread: keeps account of what is not committed.

    Raises StartupError where a regular expression is none that means the same to all who read it.
    """

    def __init__(
        self,
        config: dict[str, Any],
        topics: Iterable[str],
        on_assignment: Callable[[set[Place]], None],
        on_out_of_range: Callable[[], None] = lambda: None,
        on_added: Callable[[], None] = lambda: None,
        *,
        settle: Callable[[float], bool] = lambda _: True,
        start: str = "earliest",
        out_of_range: str = "safe",
        outputs: Sequence[str] = (),
        max_messages: int = 1024,
        max_bytes: int = MOST_BYTES,
        unread: Unread | None = None,
    ) -> None:
        self._on_assignment, self._settle, self._max_bytes = on_assignment, settle, max_bytes
        self._epoch = 0
        self._membership = Membership()
        self._assigned: set[Place] = set()
        self._first: dict[Place, int] = {}  # the first offset that was read, since the group last stood before it
        self._behind: set[Place] = set()  # to be read again from where the group stands
        self._unplaced: set[Place] = set()  # partitions that have no offset to go on from
        self._rest: list[KafkaMessage] = []  # taken from the client, in no batch yet
        self._doubts = Doubts(IN_FLIGHT * max_messages, IN_FLIGHT * max_bytes)
        self._missing: set[str] = set()
        self._troubles = Troubles()
        self.unread = unread or Unread()
        self._wanted = [check_pattern(topic) for topic in topics]
        told = {"error_cb": self._troubles, "stats_cb": self.unread.told}
        self._config = fetching(config, outputs, max_bytes) | told
        self._cut_off = CutOff(lambda: cutoff.answers(self._config))
        self._consumer = Consumer(self._config)
        self._beginnings = Beginnings(self._consumer, start, out_of_range, on_out_of_range, on_added)
        self._join()

    @property
    def epoch(self) -> int:
        """What a batch must be of, to be worked on: it counts rewinds, and partitions given up or lost."""
        return self._epoch

    @property
    def held(self) -> AbstractSet[Place]:
        """The partitions that the group has given us."""
        return self._assigned

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """What has come, up to max_messages and max_bytes: the first message is waited for, no other is.

        Empty where none came within timeout_s, or where a rebalance came between. Raises TransientError where Kafka
        cannot be read, StartupError where a partition cannot be gone on with.
        """
        if self._troubles:
            self._ask()
        with self._troubles.named():
            self._beginnings.look()
        if self._behind:
            self._go_back()
        if self._unplaced:
            self._place()
        taken = self._take(max_messages, timeout_s)
        if taken and not self._refresh():  # the group has expelled us, and will tell us soon
            self._note(taken)
            self._void()
            taken = []
        batch = Batch.read(taken, self._membership, self._epoch)
        for place, first, _ in batch.bounds():
            self._first.setdefault(place, first)
        self.unread.read(batch)
        return replace(batch, again=self._doubts.marks(batch))

    def rewind(self, batch: Batch) -> None:
        """All that was read from this batch on, and is not committed, is read again; nothing of it is in flight."""
        if batch.epoch == self._epoch:
            self._void()

    def owes(self, ends: Mapping[Place, int]) -> bool:
        """Whether the group stands before one of these offsets in a partition that is held. Raises TransientError."""
        with self._troubles.named():
            stands = committed(self._consumer, ends.keys() & self._assigned)
        return any(offset < ends[place] for place, offset in stands.items())

    def back_off(self, seconds: float) -> None:
        """Let time go by without reading, still a living member of the group."""
        held = [TopicPartition(*place) for place in self._assigned]
        self._consumer.pause(held)
        message = self._consumer.poll(seconds)
        if message is not None and message.error() is None:  # of a partition that was assigned meanwhile
            self._rest.append(message)
        elif message is not None:
            self._handle(message, raising=False)
        still = [p for p in held if (p.topic, p.partition) in self._assigned]
        self._consumer.resume(still)

    def close(self) -> None:
        """Leave the group; where Kafka does not answer, it finds out by itself."""
        with suppress(TimeoutError):
            bounded(self._consumer.close)  # in a thread of its own: else no signal is heard meanwhile

    def _take(self, most: int, timeout_s: float) -> list[KafkaMessage]:
        """Messages, none of it an error. Raises TransientError where there is nothing but errors."""
        epoch = self._epoch
        taken, self._rest = self._rest, []
        nbytes, failed = sum(map(len, taken)), list[KafkaMessage]()
        while len(taken) < most and nbytes < self._max_bytes and not failed:
            # The client waits until it has as many as it is asked for: so the first is asked for alone.
            asked = min(most - len(taken), CHUNK) if taken else 1
            got = self._consumer.consume(asked, 0.0 if taken else timeout_s)
            failed = [message for message in got if message.error() is not None]
            taken += [message for message in got if message.error() is None] if failed else got
            if self._epoch != epoch:  # what was taken is void, as all that was read
                self._note(taken)
                return []
            nbytes += sum(map(len, got))
            if len(got) < asked:
                break
        for message in failed:
            self._handle(message, raising=not taken)  # what was read must not be lost for what was not
        if nbytes > self._max_bytes or len(taken) > most:
            fits = sum(size <= self._max_bytes for size in accumulate(map(len, taken)))
            fits = min(most, max(1, fits))
            taken, self._rest = taken[:fits], taken[fits:]
        return taken

    def _refresh(self) -> bool:
        """Bring the proof of membership up to date. Whether we are a member: else offsets would not be refused."""
        member = self._consumer.memberid()
        metadata = self._consumer.consumer_group_metadata()
        if not member or self._consumer.memberid() != member:
            return False
        self._membership.metadata = metadata
        return True

    def _void(self) -> None:
        """What was read and is not committed is over; it is read again from where the group stands."""
        rest, self._rest = self._rest, []
        self._epoch += 1
        self._doubts.read_again()
        self._behind |= self._first.keys()
        self._note(rest)

    def _note(self, messages: Iterable[KafkaMessage]) -> None:
        """These were taken, and are to be read again."""
        for message in messages:
            place = place_of(message)
            if place in self._assigned:
                self._first.setdefault(place, message.offset() or 0)
                self._behind.add(place)

    def _go_back(self) -> None:
        """Seek in each partition to where the group stands. Raises TransientError, as while something is in flight."""
        if not self._settle(SETTLE_S):
            raise TransientError("kafka", "a commit has not come to its end")
        places = self._behind - self._unplaced
        with self._troubles.named():
            for place, offset in committed(self._consumer, places).items():
                first = offset if offset >= 0 else self._first[place]
                self._consumer.seek(TopicPartition(*place, first))
        self._rest = [message for message in self._rest if place_of(message) not in places]
        for place in self._behind:
            del self._first[place]
        self._behind.clear()

    def _join(self) -> None:
        """Become a member of the group."""
        consumer = self._consumer
        consumer.subscribe(self._wanted, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _ask(self) -> None:
        """Ask Kafka what it would be asked next, since something was wrong. Raises TransientError where it still is."""
        with self._troubles.named():
            try:
                if self._assigned:
                    committed(self._consumer, self._assigned)
                else:
                    self._consumer.list_topics(timeout=ANSWER_S)
            except KafkaException as error:
                if self._cut_off.too_long(error.args[0]):
                    self._begin_anew()
                raise
        self._cut_off.over()
        if not self._assigned and not self._consumer.memberid():
            raise TransientError("kafka", self._troubles.told("the group has not taken this worker in"))
        self._troubles.over()

    def _begin_anew(self) -> None:
        """Leave this client to itself and join with a new one: librdkafka may never connect again."""
        log.warning("Kafka cannot be reached: beginning with a new client")
        self._forget(set(self._assigned))
        old = self._consumer
        self._consumer = self._beginnings.consumer = Consumer(self._config)
        self._join()
        with suppress(TimeoutError):
            bounded(old.close)

    def _handle(self, message: KafkaMessage, *, raising: bool) -> None:
        error = message.error()
        assert error
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._unplaced.add(place_of(message))
        elif error.code() in NOT_THERE_YET:
            if (text := error.str()) not in self._missing:
                self._missing.add(text)
                log.warning("waiting for a topic that does not exist yet", error=text)
        elif error.fatal():
            raise KafkaException(error)
        else:
            self._troubles(error)  # librdkafka tells it once, however long it lasts
            if raising:
                raise TransientError("kafka", self._troubles.told(error))
            log.warning("Kafka", error=error.str())

    def _place(self) -> None:
        """Begin where a partition has no offset to go on from. Raises TransientError, StartupError."""
        self._unplaced &= self._assigned
        with self._troubles.named():
            begun = self._beginnings.begin(self._unplaced)
        for place, offset in begun.items():
            self._consumer.incremental_unassign([TopicPartition(*place)])  # one that has stopped cannot seek
            self._consumer.incremental_assign([TopicPartition(*place, offset)])
            self._unplaced.discard(place)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._consumer.incremental_assign(partitions)
        self._refresh()
        self._missing.clear()
        for p in partitions:
            self._doubts.assigned((p.topic, p.partition))
        self._change(self._assigned | {(p.topic, p.partition) for p in partitions})

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # one that was left to itself
        if partitions:
            self._refresh()  # the generation is a new one, and all that is in flight is still ours to commit
            self._settle(SETTLE_S)
        self._give_up(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is self._consumer:
            self._give_up(partitions)

    def _give_up(self, partitions: list[TopicPartition]) -> None:
        self._consumer.resume(partitions)  # librdkafka would keep it paused, should it ever be assigned to us again
        self._consumer.incremental_unassign(partitions)
        self._forget({(p.topic, p.partition) for p in partitions})

    def _forget(self, given_up: set[Place]) -> None:
        """These are another's now: what was read of them and is not committed is void."""
        if given_up:
            self._membership = Membership()
            for place in given_up:
                self._doubts.forget(place)
                self._first.pop(place, None)
            self._behind -= given_up
            self._assigned = self._assigned - given_up
            self._void()
        self._change(self._assigned)

    def _change(self, assigned: set[Place]) -> None:
        self._assigned = assigned
        self.unread.hold(assigned)
        self._on_assignment(assigned)


def place_of(message: KafkaMessage) -> Place:
    """Topic and partition."""
    return message.topic() or "", message.partition() or 0
