"""What is wrong with Kafka, in the words that name the cause: of all that librdkafka says, the first.

A name that is not resolved, a port that is closed, a certificate, a password, a missing right: librdkafka tells its
error callback once. What a call says later is a consequence: timed out, all brokers are down, purged in queue.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from broker.errors import TransientError

# What follows from another error, and names none itself.
FOLLOWS = {KafkaError._ALL_BROKERS_DOWN, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001 - librdkafka's names


class Troubles:
    """Remembers the first error since Kafka was well; to be given to librdkafka as `error_cb`."""

    def __init__(self) -> None:
        self.first: KafkaError | None = None
        self.away = False  # whether no server can be reached

    def __call__(self, error: KafkaError) -> None:
        """Librdkafka has noticed something."""
        self.away |= error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
        if self.first is None and error.code() not in FOLLOWS:
            self.first = error

    def __bool__(self) -> bool:
        return self.away or self.first is not None

    def cause(self, error: KafkaError) -> KafkaError:
        """What an error comes of: Kafka's own answers name it; what librdkafka says follows from the first."""
        return error if error.code() > 0 else self.first or error

    def told(self, otherwise: KafkaError | str) -> str:
        """The cause in words."""
        if isinstance(otherwise, str):
            return self.first.str() if self.first else otherwise
        return self.cause(otherwise).str()

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
