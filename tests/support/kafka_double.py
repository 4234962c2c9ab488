"""What the order of commit needs of Kafka, in memory: a log, a group, transactions; what it refuses, and whom.

A model for the state machine of tests/property/test_commit_order.py; everywhere else the real one is used. Like it:

    transactions    records and offsets of a transaction are seen together, or never
    fencing         a producer is ended by another with its transactional id; what takes too long is aborted
    the group       offsets are taken from members alone (KIP-447). One that was expelled joins again under a new name,
                    and one that is given partitions or lets go of some goes on under a new name: so the name says what
                    member id and generation say to Kafka
    rebalances      cooperative: what a member holds is given away once it has let go of it, or was expelled
    stable offsets  while a transaction with a partition's offset is open, nobody is told where that partition stands
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from broker.config import Outputs as Topics
from broker.kafka.message import Message, Record
from broker.kafka.subscription import decode, source
from schemas.catalogue import load

TOPICS = Topics()


class RefusedError(Exception):
    """Kafka does not take it; the transaction has to be aborted."""


class FencedError(Exception):
    """Another producer has taken over: this one is at its end."""


@dataclass
class Transaction:
    """What is not yet seen."""

    records: list[Record] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)


class KafkaDouble:
    """One input topic, the outputs as read_committed shows them, one group.

    Args:
        partitions: of the input topic.
    """

    topic = "alerts"

    def __init__(self, partitions: int) -> None:
        self.inputs: list[list[Message]] = [[] for _ in range(partitions)]
        self.committed = [0] * partitions
        self.visible: list[Record] = []
        self._held: dict[str, set[int]] = {}  # by member
        self._joined: dict[str, int] = {}  # by member, when it joined
        self._names, self._numbers = count(), count()
        self._epochs: dict[str, int] = {}  # by transactional id
        self._open: dict[str, Transaction] = {}

    def produce(self, partition: int, value: bytes) -> Message:
        """Append a message to the input topic."""
        message = Message(self.topic, partition, len(self.inputs[partition]), 1, value=value)
        self.inputs[partition].append(message)
        return message

    # The group

    def join(self) -> str:
        """A new member's name."""
        name = self._named(next(self._numbers))
        self._held[name] = set()
        return name

    def shall_hold(self, member: str) -> set[int] | None:
        """What a member is to hold of what no other holds. None: it was expelled."""
        if member not in self._held:
            return None
        members = sorted(self._held, key=self._joined.__getitem__)
        shall = {p for p in range(len(self.inputs)) if members[p % len(members)] == member}
        others = {p for name, held in self._held.items() if name != member for p in held}
        return shall - others

    def hold(self, member: str, partitions: set[int]) -> str:
        """A member takes partitions and lets go of others; its new name, the old one is worth nothing."""
        name = self._named(self._joined[member])
        del self._held[member]
        self._held[name] = set(partitions)
        return name

    def expel(self, member: str) -> None:
        """A member that left, or was not heard of in time."""
        self._held.pop(member, None)

    def position(self, partition: int) -> int | None:
        """Where the group goes on; None while a transaction may still change it."""
        if any(partition in transaction.offsets for transaction in self._open.values()):
            return None
        return self.committed[partition]

    # Transactions

    def init_transactions(self, worker: str) -> int:
        """The new producer's epoch; an earlier one of the same worker is fenced, what it left open is aborted."""
        self._open.pop(worker, None)
        self._epochs[worker] = self._epochs.get(worker, 0) + 1
        return self._epochs[worker]

    def begin(self, worker: str, epoch: int) -> None:
        """Open a transaction."""
        self._check(worker, epoch)
        assert worker not in self._open, "the last transaction was left open"
        self._open[worker] = Transaction()

    def send(self, worker: str, epoch: int, records: Sequence[Record]) -> None:
        """Records join the transaction."""
        self._transaction(worker, epoch).records.extend(records)

    def send_offsets(self, worker: str, epoch: int, offsets: Mapping[int, int], member: str) -> None:
        """Offsets join the transaction; a zombie's are refused."""
        transaction = self._transaction(worker, epoch)
        if member not in self._held:
            raise RefusedError("no member of the group")
        transaction.offsets |= offsets

    def commit(self, worker: str, epoch: int) -> None:
        """All is seen."""
        transaction = self._transaction(worker, epoch)
        del self._open[worker]
        self.visible += transaction.records
        for partition, offset in transaction.offsets.items():
            assert offset >= self.committed[partition], "offsets went backwards"
            self.committed[partition] = offset

    def abort(self, worker: str, epoch: int) -> None:
        """Nothing will be seen."""
        self._check(worker, epoch)
        self._open.pop(worker, None)

    def time_out(self, worker: str) -> bool:
        """Abort a transaction that took too long. Whether there was one."""
        return self._open.pop(worker, None) is not None

    def _named(self, joined: int) -> str:
        name = f"member-{next(self._names)}"
        self._joined[name] = joined
        return name

    def _transaction(self, worker: str, epoch: int) -> Transaction:
        self._check(worker, epoch)
        if (transaction := self._open.get(worker)) is None:
            raise RefusedError("the transaction took too long")
        return transaction

    def _check(self, worker: str, epoch: int) -> None:
        if self._epochs[worker] != epoch:
            raise FencedError(worker)


def fates(visible: Iterable[Record]) -> Iterator[tuple[tuple[int, int], dict]]:
    """The fates that a subscriber sees, each with the partition and offset of its message."""
    for out in visible:
        if out.topic != TOPICS.anomalies:
            name = "dead_letter" if out.topic == TOPICS.dead_letters else "classification"
            yield source(out.headers)[1:], {"fate": "published"} | decode(out.value, load(name))
