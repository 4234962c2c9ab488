"""What Kafka refuses while a partition's leader or a group's coordinator moves: it is asked again.

So it answers for a moment after a topic or a group was made, and after a server went away. librdkafka itself asks
again for what it reads and writes, and not for what it is asked about.
"""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

ANSWER_S = 15.0  # one question to Kafka
PAUSE_S = 0.1
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
    KafkaError._NOENT,  # noqa: SLF001 - librdkafka's name for a partition without a leader
}

T = TypeVar("T")


def settled(ask: Callable[[float], T], within_s: float, meanwhile: Callable[[], object] = lambda: None) -> T:
    """The answer of Kafka once nothing moves.

    Args:
        ask: is given the seconds that are left for an answer.
        within_s: after so long the refusal is raised.
        meanwhile: called before it is asked again.

    Raises:
        KafkaException: as `ask`; its last refusal where Kafka does not settle.
    """
    deadline = monotonic() + within_s
    while True:
        try:
            return ask(max(PAUSE_S, deadline - monotonic()))
        except KafkaException as refused:
            if refused.args[0].code() not in MOVES or monotonic() > deadline:
                raise
        sleep(PAUSE_S)
        meanwhile()
