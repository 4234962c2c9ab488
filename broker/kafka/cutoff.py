"""How long Kafka has been out of reach, and when that is too long for a client to be believed."""

from time import monotonic

from confluent_kafka import KafkaError

from broker.kafka.times import CUT_OFF_S, LONGEST_CUT_OFF_S

# No server answers, as far as the client can tell.
UNREACHED = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001 - librdkafka's names


class CutOff:
    """Counts the time since Kafka last answered a client.

    librdkafka's may stay without any connection for ever, after all of its connections failed at once (seen with 2.16,
    Kafka having been stopped and gone on). From outside that looks like a Kafka that is away. So a client is given up
    after CUT_OFF_S, the next one after twice as long, and so on to LONGEST_CUT_OFF_S.
    """

    def __init__(self) -> None:
        self.over()

    def over(self) -> None:
        """Kafka has answered."""
        self._since: float | None = None
        self._patience_s = CUT_OFF_S

    def too_long(self, error: KafkaError) -> bool:
        """Whether, with this error, it has been so long that a new client should try."""
        now = monotonic()
        if error.code() not in UNREACHED:
            self.over()
            return False
        self._since = self._since or now
        if now - self._since < self._patience_s:
            return False
        self._since = now
        self._patience_s = min(2 * self._patience_s, LONGEST_CUT_OFF_S)
        return True
