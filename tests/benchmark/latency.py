"""How long an alert waits: from its production to being readable at read_committed, and the end of a burst.

What a Kafka, a sender and a worker do but once is left out by alerts that are not counted: a new idempotent producer
waits half a second for its number, and a Kafka that has just started compiles what transactions take. How long the
sender itself had to wait for Kafka stands beside what it saw, so that its waits are not taken for misweeper's.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import count, islice

import fastavro
import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, Producer

from tests.benchmark.figure import Figure
from tests.benchmark.progress import say
from tests.benchmark.serving import INPUT, Serving, put, serving
from tests.benchmark.sizes import Sizes
from tests.benchmark.stars import key, packets

TOPIC = "misweeper.classifications"
WIRE_BYTES = 5
WARM_UP, WARM_UP_HZ = 1_000, 100  # alerts that are not counted, and how many a second
CLOSE_S = 0.001  # before an alert is due: then the sender sleeps
LOOK_S = 0.002  # at what is committed
SILENT_S = 60.0  # and the benchmark is given up


def latencies(sizes: Sizes) -> Iterator[Figure]:
    """Percentiles at a steady rate, one worker; each value is of one run at that rate."""
    objects = min(sizes.stored, 5_000)
    with serving("t", objects, sizes.points) as service:
        service.start(1)
        service.workers[0].await_ready()
        sender, reader = Sender(service.producer(linger_ms=0)), Reader(service.kafka)
        found: dict[int, list[list[float]]] = {rate: [] for rate in sizes.rates}
        alerts = endless("t", objects, sizes.points, service.sent + 1)
        say(f"latency: {WARM_UP} alerts that are not counted")
        reader.waits_ms(service, sender, list(islice(alerts, WARM_UP)), WARM_UP_HZ)
        for repeat in range(sizes.repeats):
            for rate in sizes.rates:
                many = max(int(rate * sizes.seconds), sizes.fewest)
                say(f"latency: {many} alerts at {rate}/s, {repeat + 1} of {sizes.repeats}")
                waits_ms = reader.waits_ms(service, sender, list(islice(alerts, many)), rate)
                own_ms = np.percentile(sender.waited_ms, 99)
                found[rate].append([*np.percentile(waits_ms, (50, 95, 99)).tolist(), own_ms])
        reader.close()
    for rate, runs in found.items():
        for place, name in enumerate(("p50", "p95", "p99", "p99 of the sender's own wait for Kafka")):
            yield Figure.of("latency", f"{rate:,}/s, {name}", "ms", [run[place] for run in runs])


def endless(family: str, objects: int, day: int, first_id: int) -> Iterator[tuple[bytes, bytes]]:
    """Alerts with their keys, of each object on a day, then of each on the next."""
    for later in count():
        values = packets(family, range(objects), day + later, first_id + later * objects)
        yield from zip(values, (key(family, name) for name in range(objects)), strict=True)


class Sender:
    """Sends alerts at a rate, and notes when it was to be rid of each, and how long Kafka made it wait.

    Args:
        producer: to send them with, one after the other.
        topic: where to.
    """

    def __init__(self, producer: Producer, topic: str = INPUT) -> None:
        self._producer, self._topic = producer, topic
        self.sent_s: list[float] = []
        self.waited_ms: list[float] = []  # until Kafka had each; in the order of its answers

    def send(self, alerts: Sequence[tuple[bytes, bytes]], rate: int) -> None:
        """Send values with their keys at a rate [1/s]. Returns once Kafka has them all."""
        began = time.monotonic()
        for i, (value, own) in enumerate(alerts):
            while (early_s := began + i / rate - time.monotonic()) > 0:
                self._producer.poll(max(0.0, early_s - CLOSE_S))  # tells what Kafka has, when it has it
                time.sleep(max(0.0, min(began + i / rate - time.monotonic(), CLOSE_S)))
            self.sent_s.append(time.monotonic())
            put(self._producer, self._topic, value, own, self._taken)
        self._producer.flush()

    def _taken(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error.str()
        self.waited_ms.append(1e3 * (message.latency() or 0.0))


class Reader:
    """Reads classifications as any subscriber does."""

    def __init__(self, kafka: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "bench-reader",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 5,  # a commit does not wake a fetch that waits
            }
        )
        self._consumer.subscribe([TOPIC])

    def waits_ms(
        self, service: Serving, sender: Sender, alerts: Sequence[tuple[bytes, bytes]], rate: int
    ) -> list[float]:
        """Send alerts at a rate [1/s]; from each one's production until its classification is here."""
        first = service.sent + 1
        service.sent += len(alerts)
        sender.sent_s, sender.waited_ms = [], []
        sending = threading.Thread(target=sender.send, args=(alerts, rate), daemon=True)
        sending.start()
        waits: list[float] = []
        heard_s = time.monotonic()
        while len(waits) < len(alerts):
            one = self._consumer.poll(0.05)
            came = [one, *self._consumer.consume(1000, 0.0)] if one is not None else []
            now_s = time.monotonic()
            for message in came:
                if message.error() is None:
                    waits.append(1e3 * (now_s - sender.sent_s[alert_id(message.value()) - first]))
                    heard_s = now_s
            if now_s - heard_s > SILENT_S:
                log = service.workers[0].log()[-2000:]
                raise RuntimeError(f"{len(waits)} of {len(alerts)} alerts are answered, then no more\n{log}")
        sending.join()
        return waits

    def close(self) -> None:
        self._consumer.close()


def alert_id(value: bytes) -> int:
    """The first field of a classification."""
    return int(fastavro.schemaless_reader(BytesIO(value[WIRE_BYTES : WIRE_BYTES + 10]), "long", None))  # type: ignore[call-overload]


def bursts(sizes: Sizes) -> Iterator[Figure]:
    """From the last of many alerts that come as fast as Kafka takes them, until all are committed; one worker."""
    largest = max(sizes.bursts)
    objects = min(largest, sizes.stored)
    with serving("b", objects, sizes.points) as service:
        service.start(1)
        service.workers[0].await_ready()
        alerts = endless("b", objects, sizes.points, service.sent + 1)
        for size in sizes.bursts:
            waited = []
            for repeat in range(sizes.repeats):
                say(f"burst of {size:,}, {repeat + 1} of {sizes.repeats}")
                values, keys = zip(*islice(alerts, size), strict=True)
                service.send(values, keys)
                produced_s = time.monotonic()
                waited.append(service.samples(LOOK_S)[-1].at_s - produced_s)
            yield Figure.of("burst", f"{size:,}: last produced to last committed", "s", waited)
