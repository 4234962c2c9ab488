"""Servers of the benchmark's own, `misweeper run` on them, and how far it has come."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import psutil
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.embedded import EmbeddedKafka, EmbeddedValkey, free_port
from broker.kafka.topics import create_topics
from tests.benchmark.progress import say
from tests.benchmark.steady import PREFIX
from tests.benchmark.way import Way
from tests.support.service import Worker

INPUT, PARTITIONS = "alerts", 6
TOGETHER = {"group.initial.rebalance.delay.ms": "3000"}  # workers that start together share the backlog from its first
RUN = (sys.executable, "-m", "broker.commands.main", "run")
SILENT_S = 120.0  # without an alert committed, and the benchmark is given up

Told = Callable[[KafkaError | None, Message], None]


class Sample(NamedTuple):
    """Where the workers are."""

    at_s: float
    committed: int
    cpu_s: float  # of all their threads


class Serving:
    """Workers, their input topic, and what they have committed.

    Args:
        kafka: bootstrap servers.
        redis_url: of the store.
        folder: for the workers' logs.
        more: variables of their environment.
    """

    def __init__(self, kafka: str, redis_url: str, folder: Path, more: Mapping[str, str]) -> None:
        self.kafka, self.redis_url, self._folder, self._more = kafka, redis_url, folder, more
        self.sent = 0
        self.workers: list[Worker] = []
        create_topics(AdminClient({"bootstrap.servers": kafka}), Settings.load(), PARTITIONS, 1)
        # At read_committed Kafka would not say where the group stands while a transaction is open.
        asks = {"bootstrap.servers": kafka, "group.id": "misweeper", "isolation.level": "read_uncommitted"}
        self._group = Consumer(asks)

    def start(self, count: int) -> None:
        """Start workers; they are not ready yet."""
        for number in range(len(self.workers), len(self.workers) + count):
            environment = {
                "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
                "MISWEEPER_REDIS__URL": self.redis_url,
                "MISWEEPER_REDIS__PREFIX": PREFIX,
                "MISWEEPER_LOG__LEVEL": "warning",
                "MISWEEPER_HTTP__PORT": str(free_port()),
                "MISWEEPER_WORKER": f"bench-{number}",
                "OMP_NUM_THREADS": "1",
                **self._more,
            }
            self.workers.append(Worker(environment, self._folder / f"worker-{number}.log", RUN).start())

    def stop(self) -> None:
        """End them as an orchestrator does."""
        for worker in self.workers:
            worker.stop()
        self.workers.clear()

    def producer(self, linger_ms: int) -> Producer:
        return Producer({"bootstrap.servers": self.kafka, "linger.ms": linger_ms, "enable.idempotence": True})

    def send(self, values: Sequence[bytes], keys: Sequence[bytes]) -> None:
        """Send messages as fast as Kafka takes them, and return once it has them all."""
        producer = self.producer(linger_ms=5)
        for value, key in zip(values, keys, strict=True):
            put(producer, INPUT, value, key)
        producer.flush()
        self.sent += len(values)

    def committed(self) -> int:
        """Alerts that the group has committed."""
        places = [TopicPartition(INPUT, p) for p in range(PARTITIONS)]
        return sum(max(0, p.offset) for p in self._group.committed(places, 10))

    def samples(self, every_s: float) -> list[Sample]:
        """Where the workers are, again and again until all that was sent is committed."""
        samples: list[Sample] = []
        moved_s = time.monotonic()
        while not samples or samples[-1].committed < self.sent:
            time.sleep(every_s)
            processes = [psutil.Process(worker.process.pid) for worker in self.workers if worker.process]
            cpu_s = sum(sum(process.cpu_times()[:2]) for process in processes)
            samples.append(Sample(time.monotonic(), self.committed(), cpu_s))
            if len(samples) == 1 or samples[-1].committed > samples[-2].committed:
                moved_s = time.monotonic()
            elif time.monotonic() - moved_s > SILENT_S:
                logs = "\n".join(worker.log()[-2000:] for worker in self.workers)
                raise RuntimeError(f"{samples[-1].committed} of {self.sent} alerts are committed, then no more\n{logs}")
        return samples

    def close(self) -> None:
        self.stop()
        self._group.close()


def put(producer: Producer, topic: str, value: bytes, key: bytes, told: Told | None = None) -> None:
    """Hand an alert to the producer, once it has room; what becomes of it is `told`."""
    while True:
        try:
            producer.produce(topic, value, key, on_delivery=told)
        except BufferError:
            producer.poll(0.1)
        else:
            return


@contextmanager
def serving(
    family: str, objects: int, points: int, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Serving]:
    """A Kafka, a Valkey with so many objects of so many observations, and no worker yet."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey() as valkey, EmbeddedKafka(settings=TOGETHER) as kafka:
        say(f"filling the store itself: {objects:,} objects of {points}")
        way = Way(valkey.url, PREFIX)
        way.fill(family, objects, points)
        way.close()
        service = Serving(kafka.bootstrap_servers, valkey.url, Path(folder), more)
        try:
            yield service
        finally:
            service.close()
