"""A micro-batch as columns: what was read from Kafka, where it stood, and who may commit it.

confluent-kafka's own message objects stay inside: key and headers, which few messages are asked for, are read from them
only then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition

from broker.kafka.message import Message, headers_of, received

if TYPE_CHECKING:
    from numpy.typing import NDArray

Place = tuple[str, int]  # topic and partition

SENT = "producer_timestamp"  # Rubin's header: the text of a float [ms since 1970]
LATEST_MS = 4_102_444_800_000  # the year 2100
FAR_MS = 86_400_000  # from Kafka's own time: a header that says more is wrong, or of a copy


class Membership:
    """The proof of who may commit a batch: what Kafka refuses once another owns its partitions (KIP-447).

    The group's generation changes while a worker keeps its partitions, so the source brings `metadata` up to date as
    long as it does. Where it gives some up, a new membership begins, and this one stays as it is: it is refused.
    """

    __slots__ = ("metadata",)

    def __init__(self, metadata: Any = None) -> None:  # noqa: ANN401 - confluent-kafka's own object
        self.metadata = metadata


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Messages in the order in which they were read; those of a partition in the order of their offsets.

    Of an older epoch than its source's, it is to be dropped: all of it that is not committed is read again.
    """

    values: list[bytes | None]  # [n]
    places: list[Place]  # the distinct ones
    place: "NDArray[np.int32]"  # [n] index into places
    offsets: "NDArray[np.int64]"  # [n]
    timestamps_ms: "NDArray[np.int64]"  # [n] Kafka's: when the producer sent it, or the log received it
    sent_ms: "NDArray[np.int64]"  # [n] when its survey sent it, where a header says so; else as above
    group: Membership
    epoch: int  # of the source: counts rewinds, and partitions that were given up or lost
    again: "NDArray[np.bool_]"  # [n] whether it may have been written to the store before, by us or a former owner
    _messages: Sequence[KafkaMessage] | Sequence[Message]  # [n]

    @classmethod
    def read(cls, messages: Sequence[KafkaMessage], group: Membership, epoch: int) -> Self:
        """What a consumer got, none of it an error; `again` is True for all of it."""
        numbers: dict[Place, int] = {}
        topics, partitions = map(KafkaMessage.topic, messages), map(KafkaMessage.partition, messages)
        where = zip(topics, partitions, strict=True)
        n = len(messages)
        timestamps_ms = np.fromiter((at_ms for _, at_ms in map(KafkaMessage.timestamp, messages)), np.int64, n)
        place = np.fromiter((numbers.setdefault(one, len(numbers)) for one in where), np.int32, n)  # type: ignore[arg-type]
        return cls(
            values=list(map(KafkaMessage.value, messages)),
            places=list(numbers),
            place=place,
            offsets=np.fromiter(map(KafkaMessage.offset, messages), np.int64, n),
            timestamps_ms=timestamps_ms,
            sent_ms=sent(map(headers_of, messages), timestamps_ms),
            group=group,
            epoch=epoch,
            again=np.ones(n, np.bool_),
            _messages=messages,
        )

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        group: Membership | None = None,
        epoch: int = 0,
        again: "NDArray[np.bool_] | None" = None,
    ) -> Self:
        """Messages that are known already, as of a span or a test; `again` is True for all where it is not given."""
        numbers: dict[Place, int] = {}
        timestamps_ms = np.array([m.timestamp_ms for m in messages], np.int64)
        return cls(
            values=[m.value for m in messages],
            place=np.array([numbers.setdefault((m.topic, m.partition), len(numbers)) for m in messages], np.int32),
            places=list(numbers),
            offsets=np.array([m.offset for m in messages], np.int64),
            timestamps_ms=timestamps_ms,
            sent_ms=sent((m.headers for m in messages), timestamps_ms),
            group=group or Membership(),
            epoch=epoch,
            again=np.ones(len(messages), np.bool_) if again is None else again,
            _messages=messages,
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(map(len, filter(None, self.values)))

    def message(self, i: int) -> Message:
        """One message with its key and headers."""
        message = self._messages[i]
        return message if isinstance(message, Message) else received(message)

    def key(self, i: int) -> bytes | None:
        """One message's key."""
        message = self._messages[i]
        return message.key if isinstance(message, Message) else message.key()

    def header(self, name: str) -> list[bytes | None]:
        """[n] What each message says under a header's name, the last where it says more; None where it says nothing."""
        return [dict(m.headers if isinstance(m, Message) else headers_of(m)).get(name) for m in self._messages]

    def part(self, first: int, last: int) -> Self:
        """The messages from `first` up to, not with, `last`.

        A prefix of a batch is a prefix of each of its partitions: so a long batch may be committed in parts, in order.
        """
        cut = slice(first, last)
        return replace(
            self,
            values=self.values[cut],
            place=self.place[cut],
            offsets=self.offsets[cut],
            timestamps_ms=self.timestamps_ms[cut],
            sent_ms=self.sent_ms[cut],
            again=self.again[cut],
            _messages=self._messages[cut],
        )

    def next_offsets(self) -> list[TopicPartition]:
        """Where each partition goes on after this batch."""
        return [TopicPartition(*place, last + 1) for place, _, last in self.bounds()]

    def bounds(self) -> list[tuple[Place, int, int]]:
        """The first and the last offset of each partition that it has messages of."""
        n = len(self.places)
        firsts, lasts = np.full(n, np.iinfo(np.int64).max), np.full(n, -1, np.int64)
        np.minimum.at(firsts, self.place, self.offsets)
        np.maximum.at(lasts, self.place, self.offsets)
        found = zip(self.places, firsts.tolist(), lasts.tolist(), strict=True)
        return [(place, first, last) for place, first, last in found if last >= 0]


def sent(
    headers: Iterable[Sequence[tuple[str, bytes | None]]], timestamps_ms: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """When messages [n] were sent [ms since 1970]: as a header says that is plausible, else Kafka's time."""
    found = timestamps_ms.copy()
    for i, pairs in enumerate(headers):
        for name, value in pairs:
            if (
                name == SENT
                and (told_ms := milliseconds(value))
                and (found[i] <= 0 or abs(told_ms - found[i]) <= FAR_MS)
            ):
                found[i] = told_ms
    return found


def milliseconds(text: bytes | None) -> int:
    """A time from the text of a float; 0 where it is none."""
    try:
        told = float(text or b"")
    except ValueError:
        return 0
    return round(told) if 0 < told < LATEST_MS else 0
