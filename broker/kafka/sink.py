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
from confluent_kafka import Message as KafkaMessage

from broker.errors import StartupError, TooLargeError, TransientError
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.kafka.times import FENCED_AGAIN_S, GIVE_UP_S, TRANSACTION_S, TRY_S
from broker.kafka.transactions import bounded, insist
from broker.kafka.troubles import FOLLOWS, Troubles, refusal

ROOM_S = 0.05  # a full queue is given so long to drain


class KafkaSink:
    """A transactional producer. Construction fences off an earlier producer of the same worker.

    Args:
        config: librdkafka's settings for servers and security.
        worker: names the producer's transactions; no two living workers share it.
        on_trouble: told what is wrong each time Kafka does not answer in time, while the call is repeated.
        on_end: told how each transaction of a batch ended, by one of the metrics' OUTCOMES.

    Raises StartupError where the transactions cannot be initialised.
    """

    def __init__(
        self,
        config: dict[str, Any],
        worker: str,
        on_trouble: Callable[[str], None] = lambda _: None,
        on_end: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_trouble, self._on_end = on_trouble, on_end
        self._troubles = Troubles()
        self._refused: list[tuple[KafkaError, str]] = []  # what Kafka did not take, in this transaction
        self._config = {
            "linger.ms": 1,
            # The next transaction is refused while the markers of the last are being written. At librdkafka's
            # default of 100 ms between tries each micro-batch would wait so long.
            "retry.backoff.ms": 2,
            "retry.backoff.max.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": 100_000_000,
            "transaction.timeout.ms": round(TRANSACTION_S * 1000),
            **config,
            "transactional.id": worker,
            "delivery.report.only.error": True,
            "on_delivery": self._delivered,
            "error_cb": self._troubles,
        }
        self._fenced_at = -FENCED_AGAIN_S
        try:
            self._producer: Producer | None = self._connect()
        except (KafkaException, TimeoutError) as error:
            why = self._troubles.told(cause(error))
            raise StartupError(
                f"no transactions as {worker} ({why}); look at Kafka, and at the rights of this user: it takes WRITE "
                "on transactional ids that begin with the group's name and a dot"
            ) from error

    def try_out(self, topics: Sequence[str]) -> None:
        """Write to each topic in a transaction that is aborted: at read_committed nobody sees it.

        Raises TransientError that names what is refused.
        """
        self._refused.clear()
        records = [Record(topic, None, b"misweeper check", []) for topic in topics]
        producer = self._producer = self._producer or self._connect()
        with self._troubles.named():
            producer.begin_transaction()
            self._produce(producer, records)
            left = bounded(lambda: producer.flush(TRY_S))  # what Kafka refuses is told to `_delivered`
        try:
            self._insist(producer, producer.abort_transaction)
        except KafkaException as error:
            if not self._refused:
                raise TransientError("kafka", self._troubles.told(error.args[0])) from error
        if self._refused:
            raise self._named(self._refused[0][0], records)
        if left:
            raise TransientError("kafka", self._troubles.told("a topic does not take records in time"))

    def commit(self, records: Sequence[Record], batch: Batch) -> None:
        """Publish the records and commit the batch's offsets, all or nothing. For one thread at a time, any.

        Raises TransientError after an abort, or where nobody knows whether the commit took effect: then the batch must
        be read again from where the group stands; TooLargeError where a topic takes no record so large. KafkaException
        when another producer of the same worker took over.
        """
        self._refused.clear()
        try:
            producer = self._producer = self._producer or self._connect()
            producer.begin_transaction()  # 2
            self._produce(producer, records)  # 3
            offsets, group = batch.next_offsets(), batch.group.metadata
            bounded(lambda: producer.send_offsets_to_transaction(offsets, group, TRY_S))  # 4
            self._insist(producer, producer.commit_transaction)  # 5
        except KafkaException as error:
            why = error.args[0] if self._producer is None else first_cause(self._producer, error.args[0])
            self._recover(error.args[0])
            if self._refused:  # librdkafka has counted what Kafka has not: its next transaction would fail for that
                self._leave()
            raise self._named(why, records) from error
        except TimeoutError as error:
            self._on_end("unknown")
            self._leave()
            raise TransientError("kafka", self._troubles.told(str(error))) from error
        self._on_end("committed")
        self._troubles.over()

    def _produce(self, producer: Producer, records: Sequence[Record]) -> None:
        produce = producer.produce
        for topic, key, value, headers in records:
            try:
                produce(topic, value, key, headers=headers)
            except BufferError:
                while not produced_later(producer, topic, key, value, headers):
                    pass
            except KafkaException as error:
                self._refused.append((error.args[0], refusal(error.args[0], topic, len(value))))
                raise

    def _delivered(self, error: KafkaError | None, message: KafkaMessage) -> None:
        """Kafka did not take a record; nothing is told of those that it takes."""
        if error is not None and error.code() not in FOLLOWS:
            self._refused.append((error, refusal(error, message.topic() or "", len(message))))

    def _named(self, error: KafkaError, records: Sequence[Record]) -> TransientError:
        """What went wrong first."""
        for why, text in self._refused:
            if why.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                return TooLargeError("kafka", text)
            if why.code() > 0:
                return TransientError("kafka", text)
        error = self._troubles.cause(error)
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:  # and does not say which
            topics = sorted({topic for topic, *_ in records})
            return TransientError("kafka", f"{error.str()}; give this user the right to write to {', '.join(topics)}")
        return TransientError("kafka", error.str())

    def _recover(self, error: KafkaError) -> None:
        """Leave no transaction open: abort it, or, where the producer is broken, begin with a new one next time."""
        if self._producer is not None and not error.fatal():
            try:
                self._insist(self._producer, self._producer.abort_transaction)
            except KafkaException as worse:
                error = worse.args[0]
            except TimeoutError:
                pass
            else:
                self._on_end("aborted")
                return
        fenced = error.code() == KafkaError._FENCED  # noqa: SLF001 - librdkafka's name
        self._on_end("fenced" if fenced else "unknown")
        if fenced:
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
        self._insist(producer, producer.init_transactions)
        return producer

    def _insist(self, producer: Producer, call: Callable[[float], object]) -> None:
        def trouble(why: str) -> None:
            producer.poll(0)  # then the cause is told
            self._on_trouble(self._troubles.told(why))

        try:
            insist(call, GIVE_UP_S, trouble)
        except (KafkaException, TimeoutError):
            producer.poll(0)
            raise


def produced_later(
    producer: Producer, topic: str, key: bytes | None, value: bytes, headers: list[tuple[str, str | bytes | None]]
) -> bool:
    """Whether there was room for a record after a while."""
    producer.poll(ROOM_S)
    try:
        producer.produce(topic, value, key, headers=headers)
    except BufferError:
        return False
    return True


def first_cause(producer: Producer, error: KafkaError) -> KafkaError:
    """Why a transaction failed, where a call says only that it did: librdkafka tells whoever would begin another."""
    producer.poll(0)  # the callbacks are told first
    if error.code() == KafkaError._STATE:  # noqa: SLF001 - librdkafka's name
        try:
            producer.begin_transaction()
        except KafkaException as first:
            found: KafkaError = first.args[0]
            return found
    return error


def cause(error: KafkaException | TimeoutError) -> KafkaError | str:
    """What an exception is about."""
    found: KafkaError | str = error.args[0] if isinstance(error, KafkaException) else str(error)
    return found
