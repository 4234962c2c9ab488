"""How long Kafka has answered others and not a client, and when that is too long for the client to be believed."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from broker.kafka.beginnings import ANSWER_S
from broker.kafka.times import CUT_OFF_S, LONGEST_CUT_OFF_S

# No server answers, as far as the client can tell.
UNREACHED = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001 - librdkafka's names


class CutOff:
    """Counts the time since Kafka last answered a client, though it answers others.

    librdkafka's may stay without any connection for ever: after all of its connections failed at once, or where a
    Kafka that was just started named no server (its issue 5301; seen with 2.16). From outside that looks like a Kafka
    that is away, but a new client gets an answer. So a client is given up after CUT_OFF_S, the next one after twice as
    long, and so on to LONGEST_CUT_OFF_S; while nobody gets an answer, none is.

    Args:
        answers_others: whether Kafka answers a new client.
    """

    def __init__(self, answers_others: Callable[[], bool]) -> None:
        self._answers_others = answers_others
        self.over()

    def over(self) -> None:
        """Kafka has answered."""
        self._since: float | None = None
        self._patience_s = CUT_OFF_S

    def too_long(self, error: KafkaError) -> bool:
        """Whether, with this error, it has been so long that a new client should try."""
        if error.code() not in UNREACHED:
            self.over()
            return False
        if not self._answers_others():
            self._since = None
            return False
        now = monotonic()
        self._since = self._since or now
        if now - self._since < self._patience_s:
            return False
        self._since = now
        self._patience_s = min(2 * self._patience_s, LONGEST_CUT_OFF_S)
        return True


def answers(config: Mapping[str, Any]) -> bool:
    """Whether Kafka names a server to a new client.

    Args:
        config: of a consumer; this one joins no group.
    """
    consumer = Consumer({**config, "error_cb": lambda _: None, "statistics.interval.ms": 0})
    try:
        return bool(consumer.list_topics(timeout=ANSWER_S).brokers)
    except KafkaException:
        return False
    finally:
        consumer.close()
