"""A bad day: alerts flow steadily, and again and again some faults, drawn by chance, come at once.

After each, everything that was sent before it was over must have its fate within 30 s. In the end every offset is
recounted, and every classification compared with what a run in which nothing went wrong says.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.embedded import Servers
from broker.errors import StartupError
from broker.kafka import spans
from tests.chaos.alerts import TOPICS, Sending
from tests.chaos.campaign import AWAY
from tests.chaos.faults import FAULTS, NOT_BOTH, Day
from tests.chaos.mixture import alerts
from tests.support.service import Service, Worker

AT_MOST_S = 30.0  # from the end of a fault until everything sent before is answered
QUIET_S = 5.0  # between two rounds of faults
AFTER_S = 120.0  # then a worker is taken to be stuck


@dataclass
class BadDay:
    """Everything of a day.

    Args:
        servers: that only this day uses.
        folder: for the workers' logs.
        workers: how many.
        rounds: of faults.
        per_s: alerts that are sent each second.
        seed: decides what happens, not when.
        say: told of every event.
    """

    servers: Servers
    folder: Path
    workers: int
    rounds: int
    per_s: int
    seed: int
    say: Callable[[str], None]
    happened: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)  # what must not happen at all
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _special: "SimpleQueue[Sending]" = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        kafka, url = self.servers.kafka.bootstrap_servers, self.servers.valkey.url
        more = {"MISWEEPER_REDIS__TIMEOUT_S": "1", "MISWEEPER_KAFKA__TOPICS": ",".join(TOPICS.values())}
        self.service = Service(kafka, url, "chaos-", self.folder, more)

    def run(self, settings: Settings) -> Iterator[int]:
        """Send, make trouble and wait; tells how many alerts are sent."""
        crew = [self.service.worker() for _ in range(self.workers)]
        for worker in crew:
            worker.await_ready(180)
        sender = threading.Thread(target=self._send, args=(settings,), daemon=True)
        sender.start()
        day = Day(
            self.servers, settings.redis.prefix, crew, self._more,
            lambda: self._answered(settings, crew, AFTER_S), self._look_after, self._rng,
        )  # fmt: skip
        time.sleep(QUIET_S)
        for _ in range(self.rounds):
            self._round(day, settings, crew)
            yield self.sent
            time.sleep(QUIET_S)
        self._over.set()
        sender.join(60)
        self._answered(settings, crew, AFTER_S)
        for worker in crew:
            if worker.stop() != 0:
                self.faults.append(f"a worker did not end well:\n{worker.log()[-2000:]}")
        yield self.sent

    def _round(self, day: Day, settings: Settings, crew: list[Worker]) -> None:
        chosen = self._rng.sample(FAULTS, self._rng.randint(2, len(FAULTS)))
        for pair in NOT_BOTH:
            if pair <= set(chosen):
                chosen.remove(self._rng.choice([fault for fault in chosen if fault in pair]))
        self.say(", ".join(fault.__name__.replace("_", " ") for fault in chosen))
        with ThreadPoolExecutor(len(chosen)) as pool:
            ended = [pool.submit(fault, day) for fault in chosen]
            for fault, one in zip(chosen, ended, strict=True):
                one.result()
                self.happened[fault.__name__] += 1
        took_s = self._answered(settings, crew, AFTER_S)
        self.say(f"everything answered after {took_s:.1f} s")
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > AT_MOST_S:
            self.faults.append(f"everything was answered after {took_s:.0f} s")

    def _more(self, some: list[Sending]) -> None:
        """Send these among the others, and return when they are on their way."""
        for one in some:
            self._special.put(one)
        while not self._special.empty():
            time.sleep(0.05)
        time.sleep(1.0)

    def _answered(self, settings: Settings, crew: list[Worker], seconds: float) -> float:
        """Wait until all that is in the input topic now is committed; how long that took [s]."""
        began, wanted = time.monotonic(), None
        while time.monotonic() < began + seconds:
            for worker in crew:
                self._look_after(worker)
            try:
                if wanted is None:
                    admin = AdminClient(settings.kafka.client())  # one that was cut off may never connect again
                    places = spans.partitions(admin, settings.kafka.topics)
                    wanted = spans.newest(admin, places)
                done = spans.committed(settings.kafka.consumer(), wanted)
            except (KafkaException, StartupError):
                continue
            if all(done.get(place, 0) >= offset for place, offset in wanted.items()):
                return time.monotonic() - began
            time.sleep(0.2)
        logs = "\n".join(worker.log()[-1500:] for worker in crew)
        self.faults.append(f"not everything was answered within {seconds:.0f} s:\n{logs}")
        return seconds

    def _look_after(self, worker: Worker) -> None:
        """Start a worker again that ended because a server was away."""
        with self._lock:
            code = worker.process.poll()
            if code is None:
                return
            if code not in (AWAY, -signal.SIGKILL):
                self.faults.append(f"a worker ended with exit code {code}:\n{worker.log()[-2000:]}")
            worker.start()

    def _send(self, settings: Settings) -> None:
        """So many alerts a second, and what the faults want to be sent."""
        config = {**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5}
        producer = Producer(config | {"message.max.bytes": 10_000_000})
        next_at = time.monotonic()
        for alert in alerts(self.seed, unkeyed=False):
            if self._over.is_set():
                break
            while not self._special.empty():
                self._produce(producer, self._special.get())
            self._produce(producer, alert)
            next_at += 1 / self.per_s
            time.sleep(max(0.0, next_at - time.monotonic()))
        if left := producer.flush(60):
            self.faults.append(f"Kafka did not take {left} alerts")

    def _produce(self, producer: Producer, alert: Sending) -> None:
        while True:
            try:
                producer.produce(alert.topic, alert.value, alert.key, on_delivery=self._delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is None:
            self.sent += 1
        else:
            self.faults.append(f"Kafka did not take an alert: {error.str()}")

    def close(self) -> None:
        """End all workers."""
        self._over.set()
        self.service.close()
