"""What is wrong with Kafka, in the words that name the cause: of all that librdkafka says, the first.

A name that is not resolved, a port that is closed, a certificate, a password, a missing right: librdkafka tells its
error callback once. What a call says later is a consequence: timed out, all brokers are down, purged in queue. After a
while the first may be over and another have come: then both are told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from confluent_kafka import KafkaError, KafkaException

from broker.errors import TransientError
from broker.kafka.times import CUT_OFF_S

# What follows from another error, and names none itself.
FOLLOWS = {KafkaError._ALL_BROKERS_DOWN, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001 - librdkafka's names


class Troubles:
    """Remembers the first error since Kafka was well; to be given to librdkafka as `error_cb`."""

    def __init__(self) -> None:
        self.first: KafkaError | None = None
        self._since = 0.0
        self.away = False  # whether no server can be reached

    def __call__(self, error: KafkaError) -> None:
        """Librdkafka has noticed something."""
        self.away |= error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
        if self.first is None and error.code() not in FOLLOWS:
            self.first, self._since = error, monotonic()

    def __bool__(self) -> bool:
        return self.away or self.first is not None

    def cause(self, error: KafkaError) -> KafkaError:
        """What an error comes of: Kafka's own answers name it; what librdkafka says follows from the first."""
        return error if error.code() > 0 else self.first or error

    def told(self, otherwise: KafkaError | str) -> str:
        """The cause in words, and after CUT_OFF_S beside what is wrong now."""
        now = otherwise if isinstance(otherwise, str) else otherwise.str()
        cause = self.first if isinstance(otherwise, str) else self.cause(otherwise)
        if cause is None or cause is otherwise:
            return now
        return cause.str() if monotonic() - self._since < CUT_OFF_S else f"{now}; at first: {cause.str()}"

    def over(self) -> None:
        """Kafka is well."""
        self.first, self.away = None, False

    @contextmanager
    def named(self) -> Iterator[None]:
        """What Kafka refuses meanwhile is transient. Raises TransientError."""
        try:
            yield
        except KafkaException as error:
            raise TransientError("kafka", self.told(error.args[0])) from error


def refusal(error: KafkaError, topic: str, size_bytes: int) -> str:
    """Why a topic did not take a record, and what helps."""
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return f"topic {topic} takes no record of {size_bytes} bytes; raise its max.message.bytes"
    if error.code() == KafkaError.INVALID_RECORD:
        return (
            f"topic {topic} refuses a record ({error.str()}); set its cleanup.policy to delete: it may not be compact"
        )
    return f"topic {topic}: {error.str()}"
