"""Publish and commit, in the order that makes every offset count once.

Law 6, the order of commit; the numbers stand in the bodies below and in the pipeline.

    1. light curves and states are written to Redis: idempotent, so writing them again changes nothing
    2. a transaction begins
    3. classifications, anomalies and dead letters are produced
    4. the input offsets join the transaction, with the group's metadata: a zombie is refused here
    5. the transaction commits

A crash anywhere means: do the batch again, from the offsets that Kafka has. Readers at read_committed see it once.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from broker.errors import TooLargeError, TransientError
from broker.kafka.message import Message, Record
from broker.kafka.source import next_offsets
from broker.kafka.transactions import TRY_S, bounded, insist

GIVE_UP_S = 30.0  # of each phase; then the source is polled before the next try, for the group expels who does not
FENCED_AGAIN_S = 60.0  # so soon it is another worker of this name; else a transaction took longer than it may


class KafkaSink:
    """A transactional producer. Construction fences off an earlier producer of the same worker.

    Args:
        config: librdkafka's settings for servers and security.
        worker: names the producer's transactions; no two living workers share it.
        group_metadata: the source's.
        on_trouble: told what is wrong each time Kafka does not answer in time, while the call is repeated.

    Raises KafkaException where the transactions cannot be initialised.
    """

    def __init__(
        self,
        config: dict[str, Any],
        worker: str,
        group_metadata: Callable[[], Any],
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._group_metadata = group_metadata
        self._on_trouble = on_trouble
        self._config = {
            "linger.ms": 5,
            # The next transaction is refused while the markers of the last are being written. At librdkafka's
            # default of 100 ms between tries each micro-batch would wait so long.
            "retry.backoff.ms": 2,
            "retry.backoff.max.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": 100_000_000,
            "transaction.timeout.ms": 10_000,  # how long a killed worker holds its readers up
            **config,
            "transactional.id": worker,
        }
        self._fenced_at = -FENCED_AGAIN_S
        self._producer: Producer | None = self._connect()

    def commit(self, records: Sequence[Record], batch: Sequence[Message]) -> None:
        """Publish the records and commit the batch's offsets, all or nothing.

        Raises TransientError after an abort, or where nobody knows whether the commit took effect: then the batch must
        be read again from where the group stands. KafkaException when another producer of the same worker took over.
        """
        refused: list[KafkaError] = []
        group = self._group_metadata()
        try:
            producer = self._producer = self._producer or self._connect()
            producer.begin_transaction()  # 2
            for record in records:  # 3
                produce(producer, record, refused)
            bounded(lambda: producer.send_offsets_to_transaction(next_offsets(batch), group, TRY_S))  # 4
            self._insist(producer.commit_transaction)  # 5
        except KafkaException as error:
            self._recover(error.args[0])
            why = (*refused, error.args[0])[0]
            kind = TooLargeError if why.code() == KafkaError.MSG_SIZE_TOO_LARGE else TransientError
            raise kind("kafka", why.str()) from error
        except TimeoutError as error:
            self._leave()
            raise TransientError("kafka", str(error)) from error

    def _recover(self, error: KafkaError) -> None:
        """Leave no transaction open: abort it, or, where the producer is broken, begin with a new one next time."""
        if self._producer is not None and not error.fatal():
            try:
                self._insist(self._producer.abort_transaction)
            except KafkaException as worse:
                error = worse.args[0]
            except TimeoutError:
                pass
            else:
                return
        if error.code() == KafkaError._FENCED:  # noqa: SLF001 - librdkafka's name
            if monotonic() - self._fenced_at < FENCED_AGAIN_S:
                raise KafkaException(error)
            self._fenced_at = monotonic()
        self._leave()

    def _leave(self) -> None:
        """Leave the producer to itself. The next one fences it off, and ends what it has begun."""
        if self._producer is not None:
            self._producer.purge()
        self._producer = None

    def _connect(self) -> Producer:
        """A new producer, whose first act is to abort what an earlier one of this worker left open."""
        producer = Producer(self._config)
        self._insist(producer.init_transactions)
        return producer

    def _insist(self, call: Callable[[float], object]) -> None:
        insist(call, GIVE_UP_S, self._on_trouble)


def produce(producer: Producer, record: Record, refused: list[KafkaError]) -> None:
    """Hand one record over, as soon as there is room; what Kafka refuses later is told in `refused`."""

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused.append(error)

    while True:
        try:
            producer.produce(record.topic, record.value, record.key, headers=record.headers, on_delivery=delivered)
        except BufferError:  # the queue is full: give it time to drain
            producer.poll(0.05)
        else:
            return
