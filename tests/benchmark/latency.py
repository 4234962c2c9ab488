"""How long an alert waits: from its production to being readable at read_committed, and the end of a burst."""

import threading
import time
from collections.abc import Iterator
from io import BytesIO

import fastavro
import numpy as np
from confluent_kafka import Consumer

from tests.benchmark.figure import Figure
from tests.benchmark.progress import say
from tests.benchmark.serving import Serving, put, serving
from tests.benchmark.sizes import Sizes
from tests.benchmark.stars import key, packets

TOPIC = "misweeper.classifications"
WIRE_BYTES = 5
LOOK_S = 0.002  # at what is committed
SILENT_S = 60.0  # and the benchmark is given up


def latencies(sizes: Sizes) -> Iterator[Figure]:
    """Percentiles at a steady rate, one worker; each value is of one run at that rate."""
    objects = min(sizes.stored, 5_000)
    with serving("t", objects, sizes.points) as service:
        service.start(1)
        service.workers[0].await_ready()
        reader = Reader(service.kafka)
        day = sizes.points
        found: dict[int, list[list[float]]] = {rate: [] for rate in sizes.rates}
        for repeat in range(sizes.repeats):
            for rate in sizes.rates:
                count = max(int(rate * sizes.seconds), sizes.fewest)
                say(f"latency: {count} alerts at {rate}/s, {repeat + 1} of {sizes.repeats}")
                values, keys = [], []
                while len(values) < count:
                    names = range(min(objects, count - len(values)))
                    values += packets("t", names, day, service.sent + len(values) + 1)
                    keys += [key("t", name) for name in names]
                    day += 1
                waits_ms = reader.waits_ms(service, values, keys, rate)
                found[rate].append(np.percentile(waits_ms, (50, 95, 99)).tolist())
        reader.close()
    for rate, runs in found.items():
        for place, name in enumerate(("p50", "p95", "p99")):
            yield Figure.of("latency", f"{rate:,}/s, {name}", "ms", [run[place] for run in runs])


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

    def waits_ms(self, service: Serving, values: list[bytes], keys: list[bytes], rate: int) -> list[float]:
        """Send alerts at a rate [1/s]; from each one's production until its classification is here."""
        first, sent_s = service.sent + 1, [0.0] * len(values)
        service.sent += len(values)
        sender = threading.Thread(target=paced, args=(service, values, keys, rate, sent_s), daemon=True)
        sender.start()
        waits: list[float] = []
        heard_s = time.monotonic()
        while len(waits) < len(values):
            one = self._consumer.poll(0.05)
            came = [one, *self._consumer.consume(1000, 0.0)] if one is not None else []
            now_s = time.monotonic()
            for message in came:
                if message.error() is None:
                    waits.append(1e3 * (now_s - sent_s[alert_id(message.value()) - first]))
                    heard_s = now_s
            if now_s - heard_s > SILENT_S:
                log = service.workers[0].log()[-2000:]
                raise RuntimeError(f"{len(waits)} of {len(values)} alerts are answered, then no more\n{log}")
        sender.join()
        return waits

    def close(self) -> None:
        self._consumer.close()


def alert_id(value: bytes) -> int:
    """The first field of a classification."""
    return int(fastavro.schemaless_reader(BytesIO(value[WIRE_BYTES : WIRE_BYTES + 10]), "long", None))  # type: ignore[call-overload]


def paced(service: Serving, values: list[bytes], keys: list[bytes], rate: int, sent_s: list[float]) -> None:
    """Send alerts one after the other at a rate, and note when."""
    producer = service.producer(linger_ms=0)
    began = time.monotonic()
    for i, (value, own) in enumerate(zip(values, keys, strict=True)):
        while (early_s := began + i / rate - time.monotonic()) > 0:
            producer.poll(0)
            time.sleep(early_s)
        sent_s[i] = time.monotonic()
        put(producer, value, own)
    producer.flush()


def bursts(sizes: Sizes) -> Iterator[Figure]:
    """From the last of many alerts that come as fast as Kafka takes them, until all are committed; one worker."""
    largest = max(sizes.bursts)
    objects = min(largest, sizes.stored)
    with serving("b", objects, sizes.points) as service:
        service.start(1)
        service.workers[0].await_ready()
        day = sizes.points
        for size in sizes.bursts:
            waited = []
            for repeat in range(sizes.repeats):
                say(f"burst of {size:,}, {repeat + 1} of {sizes.repeats}")
                values, keys = [], []
                while len(values) < size:
                    names = range(min(objects, size - len(values)))
                    values += packets("b", names, day, service.sent + len(values) + 1)
                    keys += [key("b", name) for name in names]
                    day += 1
                service.send(values, keys)
                produced_s = time.monotonic()
                waited.append(service.samples(LOOK_S)[-1].at_s - produced_s)
            yield Figure.of("burst", f"{size:,}: last produced to last committed", "s", waited)
