"""A campaign: three workers classify while they, Kafka and Redis are killed, stopped, paused and started again."""

import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.embedded import Servers
from broker.kafka import spans
from tests.chaos.alerts import TOPICS
from tests.chaos.mixture import alerts
from tests.chaos.worker import STEPS
from tests.support.service import Service, Worker, eventually

PARTITIONS = 6
BY_STEP = 0.7  # share of the workers that die by their own hand; the others live until we end them
LONGEST_LIFE = 12  # micro-batches until a worker dies of its step
TROUBLE = 0.05  # chance that something is done to a worker, four times a second
AHEAD = 12_000  # alerts that wait for the workers at most
PAUSES_S = (3.0, 8.0, 13.0)  # the second is longer than the session, the third than a transaction may take
EXPECTED = (0, 3, -signal.SIGTERM)  # told to leave: done, not done in time, not yet begun
AWAY = 2  # exit code of a worker that was started while a server was away
QUIET_S = 240.0  # the rest must be classified by then
LOOK_S = 5.0  # so often it is looked whether workers are ready
STUCK_S = 300.0  # one that lives and has not been ready for so long will never be


@dataclass
class Worked:
    """One of the workers: a process after the other."""

    worker: Worker
    step: str | None = None  # that it will die of
    told_to_leave: bool = False
    paused_until: float = 0.0
    ready_at: float = field(default_factory=time.monotonic)  # when it was last seen ready, or started
    looked_at: float = 0.0

    @property
    def at_work(self) -> bool:
        """Whether it has come so far that trouble would meet it at work."""
        alive = self.worker.process.poll() is None and time.monotonic() > self.paused_until
        ready = alive and self.worker.ask("/readyz")[0] == 200
        if ready or not alive:
            self.ready_at = time.monotonic()
        return ready

    def expect_ready(self) -> None:
        """Raises AssertionError where it lives, and does not recover from what was done to it or to the servers."""
        if time.monotonic() - self.looked_at < LOOK_S:
            return
        self.looked_at = time.monotonic()
        if not self.at_work and time.monotonic() - self.ready_at > STUCK_S:
            log = self.worker.log()[-3000:]
            raise AssertionError(f"not ready for {STUCK_S:.0f} s: {self.worker.ask('/readyz')}\n{log}")


@dataclass
class Campaign:
    """Everything of a run.

    Args:
        servers: that only this campaign uses.
        folder: for the workers' logs.
        workers: how many.
        kills: workers to kill at least, by their own hand at a named step or by ours at any time.
        alerts: to send at least.
        seed: decides what happens, not when: processes are not deterministic.
        say: told of every event.
        environment: what workers are told of the servers.
    """

    servers: Servers
    folder: Path
    workers: int
    kills: int
    alerts: int
    seed: int
    say: Callable[[str], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    faults: list[str] = field(default_factory=list)  # what must not happen at all
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        command = (sys.executable, "-m", "tests.chaos.worker")
        more = {"MISWEEPER_BATCH__MAX_SIZE": "256", "MISWEEPER_REDIS__TIMEOUT_S": "1"}
        more |= {"MISWEEPER_KAFKA__TOPICS": ",".join(TOPICS.values()), **self.environment}
        kafka, url = self.servers.kafka.bootstrap_servers, self.servers.valkey.url
        self.service = Service(kafka, url, "chaos-", self.folder, more, command=command)

    @property
    def killed(self) -> int:
        """How many workers were."""
        return sum(self.happened[f"killed: {step}"] for step in (*STEPS, "at any time"))

    @property
    def enough(self) -> bool:
        """Whether all has been sent and all has been tried."""
        everywhere = all(self.happened[f"killed: {step}"] for step in STEPS)
        return self.sent >= self.alerts and self.killed >= self.kills and everywhere

    def run(self, settings: Settings) -> Iterator[int]:
        """Send, kill and wait until every offset is committed; tells how many alerts are."""
        sender = threading.Thread(target=self._send, args=(settings,), daemon=True)
        crew = [Worked(self.service.worker()) for _ in range(self.workers)]
        for one in crew:
            one.worker.await_ready(180)  # three at once may compile the decoder for the first time
        sender.start()
        server_at = time.monotonic() + self._rng.uniform(5, 15)
        while sender.is_alive():
            for one in crew:
                self._look_after(one, crew)
            if self._rng.random() < TROUBLE:
                self._trouble_worker(self._rng.choice(crew))
            if time.monotonic() > server_at:
                self._trouble_server()
                server_at = time.monotonic() + self._rng.uniform(15, 45)
            yield self.sent
            time.sleep(0.25)
        for one in crew:  # no more deaths
            one.worker.stop(signal.SIGKILL)
            self._start(one, None)
        if not self.enough:
            self.faults.append("the campaign ended before its time")
        eventually(lambda: self.waiting(settings) == 0, QUIET_S)
        for one in crew:
            assert one.worker.stop() == 0, one.worker.log()[-3000:]
        yield self.sent

    def waiting(self, settings: Settings) -> int:
        """Alerts that are not committed yet."""
        admin = AdminClient(settings.kafka.client())  # one that was cut off may never connect again
        places = spans.partitions(admin, settings.kafka.topics)
        done, ends = spans.committed(settings.kafka.consumer(), places), spans.newest(admin, places)
        return sum(ends[place] - done.get(place, 0) for place in places)

    def _send(self, settings: Settings) -> None:
        """Until there are enough alerts and enough kills, never far ahead of the workers."""
        config = {**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5}
        anywhere = {"sticky.partitioning.linger.ms": 0}  # each message without a key goes to a partition by chance
        producer = Producer(config | anywhere)

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is None:
                self.sent += 1
            else:
                self.faults.append(f"Kafka did not take an alert: {error.str()}")

        for number, (key, value, topic) in enumerate(alerts(self.seed)):
            if self.enough:
                break
            if number % 2000 == 0:
                while not self._over.is_set() and self._far_ahead(settings):
                    time.sleep(0.2)
            while True:
                try:
                    producer.produce(topic, value, key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if left := producer.flush(60):
            self.faults.append(f"Kafka did not take {left} alerts")

    def _far_ahead(self, settings: Settings) -> bool:
        try:
            return self.waiting(settings) > AHEAD
        except Exception:  # noqa: BLE001 - Kafka is away, which is what we do here
            return True

    def _look_after(self, one: Worked, crew: Sequence[Worked]) -> None:
        """Start a worker that has ended again, to die of the step that fewest have died of."""
        code = one.worker.process.poll()
        if code is None:
            one.expect_ready()
            return
        if code == -signal.SIGKILL:
            self._note(f"killed: {one.step or 'at any time'}")
        else:
            self._note(f"ended: exit code {code}")
            if code != AWAY and not (one.told_to_leave and code in EXPECTED):
                self.faults.append(f"a worker ended with exit code {code}:\n{one.worker.log()[-2000:]}")
        taken = [other.step for other in crew if other is not one]
        rarest = min((step for step in STEPS if step not in taken), key=lambda step: self.happened[f"killed: {step}"])
        self._start(one, rarest if self._rng.random() < BY_STEP else None)

    def _start(self, one: Worked, step: str | None) -> None:
        one.step, one.told_to_leave = step, False
        one.worker.arguments = (step, str(self._rng.randint(1, LONGEST_LIFE))) if step else ()
        one.worker.start()
        one.ready_at = time.monotonic()

    def _trouble_worker(self, one: Worked) -> None:
        """Kill a worker at any time if it would not die by itself; or let it leave, or stand still for a while."""
        if not one.at_work:
            return
        process = one.worker.process
        if one.step is None:
            process.send_signal(signal.SIGKILL)
        elif self._rng.random() < 0.3:
            self._note("told to leave")
            one.told_to_leave = True
            process.send_signal(signal.SIGTERM)
        else:
            self._note("paused")
            pause_s = self._rng.choice(PAUSES_S)
            one.paused_until = time.monotonic() + pause_s + 2
            process.send_signal(signal.SIGSTOP)
            going_on = threading.Timer(pause_s, process.send_signal, (signal.SIGCONT,))
            going_on.daemon = True
            going_on.start()

    def _trouble_server(self) -> None:
        name, server = self._rng.choice([("Kafka", self.servers.kafka), ("Redis", self.servers.valkey)])
        what = self._rng.choice(["killed", "stopped", "paused"])
        self._note(f"{name} {what}")
        if what == "killed":
            server.kill()
            server.start()
        elif what == "stopped":
            server.restart()
        else:
            server.pause()
            time.sleep(self._rng.choice(PAUSES_S))
            server.resume()

    def _note(self, event: str) -> None:
        self.happened[event] += 1
        self.say(event)

    def close(self) -> None:
        """End all workers."""
        self._over.set()
        self.service.close()
