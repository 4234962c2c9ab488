"""Questions that Kafka refuses while a partition's leader or a group's coordinator moves: they are asked again.

So it refuses them for a moment after a topic or a group was made, too, and after a server went away. librdkafka asks
again by itself where it reads and writes, not for such questions.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic, sleep
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

ANSWER_S = 15.0  # one question to Kafka
LEADER_S = 8.0  # a new partition has its leader within one; who is without one for longer is told
PAUSE_S, MOST_PAUSE_S = 0.1, 1.0  # the second pause is twice the first, and so on
MOVES = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._NOENT,  # noqa: SLF001 - of no partition is a leader known; so, too, where there is no such topic
}

T = TypeVar("T")


def settled(ask: Callable[[], T], within_s: float, meanwhile: Callable[[], object] = lambda: None) -> T:
    """What Kafka answers once nothing moves.

    Args:
        ask: the question, which bounds its own time; it is asked once at least.
        within_s: after so long a refusal is raised.
        meanwhile: called before the question is asked again; that Kafka refuses it does not matter.

    Raises:
        KafkaException: as `ask`; its last refusal where Kafka does not settle.
    """
    deadline, pause_s = monotonic() + within_s, PAUSE_S
    while True:
        try:
            return ask()
        except KafkaException as refused:
            if refused.args[0].code() not in MOVES or monotonic() > deadline:
                raise
        sleep(pause_s)
        pause_s = min(2 * pause_s, MOST_PAUSE_S)
        with suppress(KafkaException):
            meanwhile()


def accepted(found: Iterable[TopicPartition] | None) -> list[TopicPartition]:
    """The partitions of an answer, none of them refused. Raises KafkaException."""
    partitions = list(found or ())
    if error := next((p.error for p in partitions if p.error), None):
        raise KafkaException(error)
    return partitions
