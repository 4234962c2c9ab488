"""`misweeper run` as a process of its own, and what it publishes."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from broker.config import Settings
from broker.embedded import free_port
from broker.kafka.subscription import Published, Subscription
from broker.kafka.topics import create_topics


def eventually(what: Callable[[], object], seconds: float = 60.0) -> None:
    """Return once something is true; fail where it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.02)


@dataclass
class Worker:
    """One process of the service. Its log is kept, and shown where something fails."""

    environment: dict[str, str]
    log_path: Path
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Worker":
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *self.arguments], env=os.environ | self.environment, stderr=log, stdout=log
            )
        return self

    def ask(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.environment['MISWEEPER_HTTP__PORT']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of a metric that have these labels; 0 where there is none."""
        families = text_string_to_metric_families(self.ask("/metrics")[1])
        samples = (sample for family in families for sample in family.samples)
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def log(self) -> str:
        return self.log_path.read_text()

    def await_ready(self, seconds: float = 180.0) -> "Worker":
        """Once it serves; the first worker of all may have to compile the decoder."""
        deadline = time.monotonic() + seconds
        while self.ask("/readyz")[0] != 200:
            assert self.process.poll() is None, f"exit code {self.process.returncode}:\n{self.log()[-3000:]}"
            assert time.monotonic() < deadline, (
                f"not ready within {seconds} s: {self.ask('/readyz')}\n{self.log()[-3000:]}"
            )
            time.sleep(0.05)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)


@dataclass
class Service:
    """A service with topics of its own on the test servers, and its workers."""

    kafka: str
    redis_url: str
    prefix: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    command: tuple[str, ...] = (sys.executable, "-m", "broker.commands.main", "run")

    @property
    def input(self) -> str:
        return f"{self.prefix}alerts"

    def variables(self) -> dict[str, str]:
        return {
            "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "MISWEEPER_KAFKA__GROUP_ID": f"{self.prefix}group",
            "MISWEEPER_KAFKA__TOPICS": self.input,
            "MISWEEPER_OUTPUTS__CLASSIFICATIONS": f"{self.prefix}classifications",
            "MISWEEPER_OUTPUTS__ANOMALIES": f"{self.prefix}anomalies",
            "MISWEEPER_OUTPUTS__DEAD_LETTERS": f"{self.prefix}dead-letters",
            "MISWEEPER_REDIS__URL": self.redis_url,
            "MISWEEPER_REDIS__PREFIX": self.prefix,
        } | self.environment

    def settings(self, monkeypatch) -> Settings:
        for name, value in self.variables().items():
            monkeypatch.setenv(name, value)
        return Settings.load()

    def create_topics(self, monkeypatch, partitions: int = 3) -> None:
        create_topics(AdminClient({"bootstrap.servers": self.kafka}), self.settings(monkeypatch), partitions, 1)

    def worker(self, **changes: str) -> Worker:
        number = len(self.workers)
        own = {"MISWEEPER_HTTP__PORT": str(free_port()), "MISWEEPER_WORKER": f"{self.prefix}{number}"}
        log_path = self.folder / f"worker-{number}.log"
        self.workers.append(Worker(self.variables() | own | changes, log_path, self.command))
        return self.workers[-1].start()

    def send(self, messages: Iterable[tuple[str | None, bytes]], topic: str | None = None) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.kafka,
                "message.max.bytes": 100_000_000,
                "linger.ms": 5,
                "enable.idempotence": True,
            }
        )
        failed = []
        for key, value in messages:
            while True:
                try:
                    producer.produce(
                        topic or self.input, value, key, on_delivery=lambda e, _: failed.append(e) if e else None
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush(60)
        assert not failed, failed[0]

    def collect(self, count: int, seconds: float = 120.0, linger_s: float = 1.5) -> dict[str, list[Published]]:
        """What is published at read_committed, by kind; after `count` fates, waits for what should not come."""
        kinds = {f"{self.prefix}{kind}": kind for kind in ("classifications", "anomalies", "dead-letters")}
        schemas = {t: "dead_letter" if k == "dead-letters" else "classification" for t, k in kinds.items()}
        subscription = Subscription({"bootstrap.servers": self.kafka, "fetch.message.max.bytes": 100_000_000}, schemas)
        found: dict[str, list[Published]] = {kind: [] for kind in kinds.values()}
        deadline = time.monotonic() + seconds
        until = None
        try:
            while until is None or time.monotonic() < until:
                for published in subscription.poll(2000, 0.2):
                    found[kinds[published.topic]].append(published)
                fates = len(found["classifications"]) + len(found["dead-letters"])
                if fates >= count and until is None:
                    until = time.monotonic() + linger_s
                assert time.monotonic() < deadline, f"{fates} of {count} within {seconds} s\n{self.logs()}"
        finally:
            subscription.close()
        return found

    def logs(self) -> str:
        """The ends of all workers' logs, for whoever reads why a test failed."""
        return "\n".join(worker.log()[-8_000:] for worker in self.workers)

    def close(self) -> None:
        for worker in self.workers:
            if worker.process and worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait(10)
