"""Source and sink of a stepped worker: they do as broker.kafka.source and broker.kafka.sink do, over a double."""

from collections.abc import Callable, Mapping, Sequence

from broker.errors import TransientError
from broker.kafka.batch import Batch, Membership, Place
from broker.kafka.doubts import Doubts
from broker.kafka.message import Message, Record
from broker.kafka.source import IN_FLIGHT
from broker.kafka.times import SETTLE_S
from tests.support.kafka_double import KafkaDouble, RefusedError

Step = Callable[[str], None]


class SteppedSource:
    """A member of the group.

    Args:
        at: called before each step.
        kafka: the servers.
        settle: see KafkaSource.
        most: messages of a batch, of any worker.
        take: how many it takes now.
    """

    def __init__(
        self, at: Step, kafka: KafkaDouble, settle: Callable[[float], bool], most: int, take: Callable[[], int]
    ) -> None:
        self._at, self._kafka, self._settle, self._take = at, kafka, settle, take
        self._positions: dict[int, int] = {}  # of the partitions that are held
        self._first: dict[int, int] = {}
        self._behind: set[int] = set()
        self._doubts = Doubts(IN_FLIGHT * most, 1 << 30)
        self.epoch = 0
        self.member = kafka.join()
        self._membership = Membership(self.member)

    @property
    def held(self) -> set[Place]:
        """See broker.pipeline.Source."""
        return {self._place(partition) for partition in self._positions}

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """See broker.pipeline.Source: as many as the worker was told to take, from all partitions in turn."""
        self._at("read")
        self._rebalance()
        if self._behind:
            self._go_back()
        batch: list[Message] = []
        for partition, position in self._positions.items():
            room = min(max_messages, self._take()) - len(batch)
            new = self._kafka.inputs[partition][position : position + room]
            self._positions[partition] += len(new)
            batch += new
        self._membership.metadata = self.member
        read = Batch.of(batch, self._membership, self.epoch)
        for (_, partition), first, _ in read.bounds():
            self._first.setdefault(partition, first)
        return Batch.of(batch, self._membership, self.epoch, self._doubts.marks(read))

    def rewind(self, batch: Batch) -> None:
        """See broker.pipeline.Source."""
        if batch.epoch == self.epoch:
            self._void()

    def owes(self, ends: Mapping[Place, int]) -> bool:
        """See broker.pipeline.Source."""
        return any(self._kafka.committed[p] < end for (_, p), end in ends.items() if p in self._positions)

    def back_off(self, seconds: float) -> None:
        """See broker.pipeline.Source."""
        self._at("back_off")
        self._rebalance()

    def close(self) -> None:
        """Leave the group."""
        self._kafka.expel(self.member)

    def _void(self) -> None:
        self.epoch += 1
        self._doubts.read_again()
        self._behind |= self._first.keys()

    def _go_back(self) -> None:
        """To where the group stands."""
        if not self._settle(SETTLE_S):
            raise TransientError("kafka", "a commit has not come to its end")
        positions = {partition: self._kafka.position(partition) for partition in self._behind}
        for partition, position in positions.items():
            if position is None:
                raise TransientError("kafka", "a transaction still holds the offset")
            self._positions[partition] = position
        for partition in self._behind:
            del self._first[partition]
        self._behind.clear()

    def _rebalance(self) -> None:
        """Here alone partitions come and go."""
        shall = self._kafka.shall_hold(self.member)
        if shall is None:  # it was expelled, and learns of it now
            self._give_up(set(self._positions))
            self.member = self._kafka.join()
            return
        revoked = self._positions.keys() - shall
        if revoked:
            self._settle(SETTLE_S)
            self._give_up(revoked)
        added = {p for p in shall - self._positions.keys() if self._kafka.position(p) is not None}
        if not revoked and not added:
            return
        for partition in sorted(added):
            self._doubts.assigned(self._place(partition))
            self._positions[partition] = self._kafka.committed[partition]
        if self._kafka.shall_hold(self.member) is not None:
            self.member = self._kafka.hold(self.member, set(self._positions))
            self._membership.metadata = self.member

    def _give_up(self, partitions: set[int]) -> None:
        if partitions:
            self._membership = Membership()
            for partition in partitions:
                self._doubts.forget(self._place(partition))
                self._first.pop(partition, None)
                del self._positions[partition]
            self._behind -= partitions
            self._void()

    def _place(self, partition: int) -> Place:
        return self._kafka.topic, partition


class SteppedSink:
    """A transactional producer; the numbers are those of broker.kafka.sink."""

    def __init__(self, at: Step, kafka: KafkaDouble, worker: str) -> None:
        self._at, self._kafka = at, kafka
        self._producer = worker, kafka.init_transactions(worker)

    def commit(self, records: Sequence[Record], batch: Batch) -> None:
        """See broker.pipeline.Sink."""
        half = len(records) // 2
        try:
            self._at("begin")
            self._kafka.begin(*self._producer)  # 2
            self._kafka.send(*self._producer, records[:half])  # 3
            self._at("produce")
            self._kafka.send(*self._producer, records[half:])
            self._at("offsets")
            offsets = {p.partition: p.offset for p in batch.next_offsets()}
            self._kafka.send_offsets(*self._producer, offsets, batch.group.metadata)  # 4
            self._at("commit")
            self._kafka.commit(*self._producer)  # 5
        except (RefusedError, TransientError) as error:
            self._kafka.abort(*self._producer)
            raise TransientError("kafka", str(error)) from error
        self._at("committed")
