"""Spans of offsets: found by time, by number or by what a group has committed, and read without being in a group.

Nothing is committed and no partition is taken from anyone, so all of this may be done beside a running service.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from broker.errors import NotYetError, StartupError
from broker.kafka.batch import Place
from broker.kafka.fetching import FETCH_AGAIN
from broker.kafka.message import Message, received
from broker.kafka.moves import ANSWER_S, LEADER_S, accepted, settled
from broker.patterns import matching

if TYPE_CHECKING:
    from confluent_kafka import Message as KafkaMessage

SILENCE_S = 60.0  # nothing was read; more than a transaction can stay open
POLL_S = 0.1


class Span(NamedTuple):
    """Offsets of one partition from `start` up to, not with, `end`."""

    topic: str
    partition: int
    start: int
    end: int

    @property
    def place(self) -> Place:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def size(self) -> int:
        """How many offsets."""
        return max(0, self.end - self.start)


def partitions(admin: AdminClient, topics: Iterable[str], never: Collection[str] = ()) -> list[Place]:
    """Every partition of some topics, names or regular expressions that begin with ^. Raises StartupError.

    Args:
        admin: a client.
        topics: as a consumer subscribes to them: see `patterns`.
        never: topics that no expression means; a consumer leaves out the service's outputs.
    """
    with answering():
        known = admin.list_topics(timeout=ANSWER_S).topics
    found: list[Place] = []
    for wanted in topics:
        names = matching(wanted, known, never) if wanted.startswith("^") else [wanted]
        if not names:
            raise NotYetError(f"no topic matches {wanted}; set MISWEEPER_KAFKA__TOPICS or give another")
        for name in names:
            error = known[name].error if name in known else trouble_of(admin, name)
            if error and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise NotYetError(f"there is no topic {name}; create it with `misweeper topics create`")
            if error:
                raise StartupError(f"topic {name} cannot be read ({error.str()}); look at the rights of this user")
            found += [(name, partition) for partition in sorted(known[name].partitions)]
    return list(dict.fromkeys(found))


def trouble_of(admin: AdminClient, name: str) -> KafkaError:
    """Why a topic is not among those that Kafka lists: there is none, or this user may not know of it."""
    with answering():
        told = admin.list_topics(name, timeout=ANSWER_S).topics[name].error
    return told or KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)  # it was made in this moment: so to be asked again


def oldest(admin: AdminClient, places: Collection[Place]) -> dict[Place, int]:
    """The first offset that each partition still has."""
    return _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # likewise


def newest(admin: AdminClient, places: Collection[Place]) -> dict[Place, int]:
    """The offset that each partition will give next, whatever transactions are open."""
    return _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]


def at_time(admin: AdminClient, places: Collection[Place], ms: int) -> dict[Place, int]:
    """The offset of each partition's first message from a time on [ms since 1970]; its end where there is none."""
    found = _offsets(admin, places, OffsetSpec.for_timestamp(max(0, ms)))
    ends = newest(admin, [place for place, offset in found.items() if offset < 0])
    return found | ends


def committed(config: dict[str, Any], places: Collection[Place]) -> dict[Place, int]:
    """The offset where a group goes on in each partition; a partition where it has not begun is left out.

    Asked as a consumer that never joins: an admin client would crash where the coordinator moves (librdkafka 2.16).

    Args:
        config: librdkafka's settings for servers, security and group.
        places: partitions.
    """
    if not places:
        return {}
    consumer = asker(config)
    try:
        return standing(consumer, places)
    finally:
        consumer.close()


def asker(config: dict[str, Any]) -> Consumer:
    """A consumer that never joins its group, for whoever asks again and again where that stands."""
    return Consumer({"log_level": 0, **config, "isolation.level": "read_committed"})


def standing(consumer: Consumer, places: Collection[Place]) -> dict[Place, int]:
    """As `committed`, asked by such a consumer."""
    with answering():
        found = positions(consumer, [TopicPartition(*place) for place in places])
    return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}


def positions(consumer: Consumer, wanted: list[TopicPartition]) -> list[TopicPartition]:
    """Where a consumer's group stands. Raises KafkaException."""
    return settled(lambda: accepted(consumer.committed(wanted, ANSWER_S)), ANSWER_S)


def read(
    config: dict[str, Any],
    spans: Iterable[Span],
    batch: int = 1,
    *,
    advanced: Callable[[int], None] = lambda _: None,
    silence_s: float = SILENCE_S,
) -> Iterator[list[Message]]:
    """The messages of some spans, one span a partition, at read_committed, in lists of up to `batch`.

    A span ends at its end, not where an open transaction holds readers up: that one is waited for.

    Args:
        config: librdkafka's settings for servers, security and group.
        spans: what to read; whatever retention has taken meanwhile is passed over.
        batch: messages that are in memory at once.
        advanced: told by how many offsets reading has come on.
        silence_s: give up where nothing comes for so long.

    Raises:
        StartupError: Kafka stopped answering.
    """
    left = {span.place: span for span in spans if span.size}
    troubles: list[str] = []
    consumer = Consumer(
        {
            "fetch.wait.max.ms": 10,
            **FETCH_AGAIN,
            **config,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "error_cb": lambda error: troubles.append(error.str()),
        }
    )
    try:
        consumer.assign([TopicPartition(*span[:3]) for span in left.values()])
        heard = monotonic()
        while left:
            messages = []
            for message in consumer.consume(batch, POLL_S):
                place = (message.topic() or "", message.partition() or 0)
                if (span := left.get(place)) is None:
                    continue
                offset = _position(message, troubles)
                if offset is None:
                    continue
                heard = monotonic()
                if message.error() is None and offset <= span.end:
                    messages.append(received(message))
                advanced(min(offset, span.end) - span.start)
                left[place] = span._replace(start=min(offset, span.end))
                if offset >= span.end:
                    del left[place]
                    consumer.pause([TopicPartition(*place)])
            if messages:
                yield messages
                heard = monotonic()  # what the caller does meanwhile is no silence
            elif monotonic() - heard > silence_s:
                raise StartupError(_silence(left.values(), silence_s, troubles))
    finally:
        consumer.close()


@contextmanager
def answering() -> Iterator[None]:
    """Where Kafka does not answer, the operator is told. Raises StartupError."""
    try:
        yield
    except (KafkaException, TimeoutError) as error:
        raise StartupError(f"Kafka does not answer ({error}); look whether it is well, then try again") from error


def _position(message: "KafkaMessage", troubles: list[str]) -> int | None:
    """Where reading stands after a message or an end of partition; None after any other error."""
    error = message.error()
    if error is None:
        return (message.offset() or 0) + 1
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
        return message.offset()
    troubles.append(error.str())
    return None


def _silence(left: Iterable[Span], silence_s: float, troubles: list[str]) -> str:
    span = next(iter(left))
    why = troubles[-1] if troubles else "no answer, or a transaction that stays open"
    return (
        f"nothing came from {span.topic}[{span.partition}] after offset {span.start} for {silence_s:.0f} s ({why}); "
        "look whether Kafka is well, then try again"
    )


def _offsets(admin: AdminClient, places: Collection[Place], spec: OffsetSpec) -> dict[Place, int]:
    if not places:
        return {}
    wanted = {TopicPartition(*place): spec for place in places}

    def ask() -> dict[Place, int]:
        futures = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ANSWER_S)
        return {(p.topic, p.partition): future.result(2 * ANSWER_S).offset for p, future in futures.items()}

    with answering():
        found = settled(ask, LEADER_S, lambda: admin.list_topics(timeout=LEADER_S))  # so it hears who leads now
    if OFFSET_INVALID in found.values():  # librdkafka's answer where Kafka gave none in time, without an error
        raise StartupError("Kafka does not answer (its offsets did not come in time); look whether it is well")
    return found
