"""`misweeper demo`: a real Kafka, a real Valkey, real light curves that the model never saw, and the service itself.

The service runs in a process of its own, as in production. This process replays the alerts, reads the classifications
as a subscriber does, and compares them with the truth.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker.commands.replay import read_alerts, replay
from broker.commands.watch import Board
from broker.config import Settings
from broker.embedded import embedded_servers, free_port
from broker.errors import StartupError
from broker.kafka.subscription import Subscription
from broker.kafka.topics import create_topics
from model.scores import accuracy, weighted_log_loss
from model.taxonomy import CLASS_NAMES

HELDOUT = Path(__file__).parents[1] / "examples" / "plasticc_heldout.parquet"
PARTITIONS = 2  # enough for one worker; each costs Kafka a marker in every transaction
READY_S = 120.0
WARM_TRANSACTIONS = 100
STALLED_S = 60.0  # without a classification


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo found; printed, and written by --json."""

    alerts: int
    published: int
    dead_letters: int
    objects: int
    alerts_per_s: float
    latency_ms: dict[str, float]  # p50, p95, p99: from an alert's sending to its classification's arrival
    wll: float  # of each object's last classification
    accuracy: float


@dataclass(slots=True)
class Tally:
    """Counts what comes back, and how long it took."""

    sent_at: dict[int, float] = field(default_factory=dict)  # by alertId, monotonic seconds
    latencies_s: list[float] = field(default_factory=list)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last classification of each object
    strangest: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each flagged object, the highest score
    published: int = 0
    dead_letters: int = 0

    def add(self, kind: str, record: dict[str, Any]) -> None:
        """Take in one message of an output topic."""
        if kind == "dead_letters":
            self.dead_letters += 1
            return
        name = record["objectId"]
        if kind == "anomalies":
            if name not in self.strangest or record["anomalyScore"] > self.strangest[name]["anomalyScore"]:
                self.strangest[name] = record
            return
        self.published += 1
        self.last[name] = record
        self.latencies_s.append(time.monotonic() - self.sent_at[record["alertId"]])

    def summary(self, alerts: int, seconds: float, truth: Mapping[str, int]) -> Summary:
        """The figures, once everything has come back."""
        names = list(self.last)
        rows = np.array([[c["probability"] for c in self.last[n]["classifications"]] for n in names])
        classes = np.array([truth[n] for n in names])
        p50, p95, p99 = np.percentile(self.latencies_s, [50, 95, 99]) * 1000
        return Summary(
            alerts=alerts,
            published=self.published,
            dead_letters=self.dead_letters,
            objects=len(names),
            alerts_per_s=round(self.published / seconds, 1),
            latency_ms={"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)},
            wll=round(weighted_log_loss(rows, classes), 4),
            accuracy=round(accuracy(rows, classes), 4),
        )


def demo(console: Console, *, rate_per_s: float, limit: int | None, json_path: Path | None, stay: bool) -> bool:
    """Run the demo; whether every alert came back as a classification. Raises StartupError."""
    with embedded_servers(console) as servers:
        environment = {
            "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
            "MISWEEPER_REDIS__URL": servers.valkey.url,
            "MISWEEPER_HTTP__PORT": str(free_port()),
            "MISWEEPER_KAFKA__TOPICS": "plasticc",
            "MISWEEPER_WORKER": "demo",
        }
        os.environ.update(environment)  # whatever the shell says of other servers, the demo speaks to its own
        settings = Settings.load()
        admin = AdminClient(settings.kafka.client())
        create_topics(admin, settings, partitions=PARTITIONS, replication=1)
        with console.status("warming up Kafka"):
            warm_up(settings, admin)
        with service(settings, console):
            summary, tally = play(settings, console, rate_per_s, limit)
            show(console, settings, summary, tally)
            if json_path:
                json_path.write_text(json.dumps(asdict(summary), indent=2) + "\n")
            if stay:
                console.print("[bold]Staying up.[/] Ctrl-C ends it. In another terminal:")
                exports = " ".join(f"{name}={value}" for name, value in environment.items())
                console.print(f"  {exports} misweeper watch", soft_wrap=True, highlight=False)
                wait_for_interrupt()
    return summary.published == summary.alerts and summary.dead_letters == 0


def warm_up(settings: Settings, admin: AdminClient) -> None:
    """Some transactions on a topic of their own, so that latencies are not those of Java's first seconds."""
    topic = "warm-up"
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(READY_S)
    producer = Producer({**settings.kafka.client(), "transactional.id": topic, "retry.backoff.ms": 2})
    producer.init_transactions(READY_S)
    for _ in range(WARM_TRANSACTIONS):
        producer.begin_transaction()
        for i in range(100):
            producer.produce(topic, b"x" * 300, str(i))
        producer.commit_transaction(READY_S)


def play(settings: Settings, console: Console, rate_per_s: float, limit: int | None) -> tuple[Summary, Tally]:
    """Replay the held-out alerts and read what becomes of them."""
    truth = {str(k): int(v) for k, v in pd.read_parquet(HELDOUT, columns=["object_id", "true_class"]).to_numpy()}
    total = min(limit or sys.maxsize, len(pd.read_parquet(HELDOUT, columns=["mjd"])))
    outputs = settings.outputs
    kinds = {
        outputs.classifications: "classifications",
        outputs.anomalies: "anomalies",
        outputs.dead_letters: "dead_letters",
    }
    schemas = {
        outputs.classifications: "classification",
        outputs.anomalies: "classification",
        outputs.dead_letters: "dead_letter",
    }
    subscription = Subscription(settings.kafka.client(), schemas)
    tally, board = Tally(), Board(rows=12)

    def note(record: dict[str, Any]) -> None:
        tally.sent_at[record["alertId"]] = time.monotonic()

    records = islice(read_alerts(HELDOUT), total)
    producer = Producer({**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5})
    sender = threading.Thread(
        target=lambda: replay(records, producer, settings.kafka.topics[0], rate_per_s, on_send=note),
        name="replay",
        daemon=True,
    )
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    task = progress.add_task("alerts classified", total=total)
    gc.freeze()  # a pause for garbage would be taken for latency
    began = heard = time.monotonic()
    sender.start()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        drawn = 0.0
        while tally.published + tally.dead_letters < total:
            for published in subscription.poll(500, 0.01):
                heard = time.monotonic()
                tally.add(kinds[published.topic], published.record)
                if published.topic == outputs.classifications:
                    board.add(published.record)
            if time.monotonic() - heard > STALLED_S:
                raise StartupError(
                    f"no classification came for {STALLED_S:.0f} s ({tally.published} of {total} so far); "
                    "the service's log is above"
                )
            if time.monotonic() - drawn > 0.25:
                drawn = time.monotonic()
                progress.update(task, completed=tally.published)
                live.update(Group(board.table(), progress), refresh=True)
    seconds = time.monotonic() - began
    for published in subscription.poll(10_000, 1.0):  # anomalies of the last transactions
        tally.add(kinds[published.topic], published.record)
    subscription.close()
    return tally.summary(total, seconds, truth), tally


def show(console: Console, settings: Settings, summary: Summary, tally: Tally) -> None:
    """Print the figures, the strangest objects, and where everything is."""
    table = Table(title="misweeper demo", show_header=False, title_justify="left")
    table.add_row("alerts", f"{summary.alerts:,} of {summary.objects} objects that the model never saw")
    table.add_row("published", f"{summary.published:,}")
    table.add_row("dead letters", f"{summary.dead_letters:,}")
    table.add_row("throughput", f"{summary.alerts_per_s:,.0f} alerts/s")
    latency = summary.latency_ms
    table.add_row("latency", f"p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms, p99 {latency['p99']:.0f} ms")
    table.add_row("weighted log loss", f"{summary.wll:.3f} (uniform probabilities: 2.639)")
    table.add_row("accuracy", f"{summary.accuracy:.3f}")
    strangest = sorted(tally.strangest.values(), key=lambda r: -r["anomalyScore"])[:5]
    for place, record in enumerate(strangest, 1):
        best = max(record["classifications"], key=lambda c: c["probability"])
        table.add_row(
            f"anomaly {place}",
            f"object {record['objectId']}: score {record['anomalyScore']:.1f}, nearest {CLASS_NAMES[best['classId']]}",
        )
    table.add_row("Kafka", settings.kafka.bootstrap_servers)
    table.add_row("topics", ", ".join((*settings.kafka.topics, *settings.outputs.topics)))
    table.add_row("metrics", f"http://{settings.http.host}:{settings.http.port}/metrics")
    console.print(table)


@contextmanager
def service(settings: Settings, console: Console) -> Iterator[None]:
    """`misweeper run` in a process of its own, once it is ready; stopped by SIGTERM as an orchestrator would."""
    with console.status("starting misweeper run"):
        process = subprocess.Popen([sys.executable, "-m", "broker.commands.main", "run"])
        try:
            await_ready(settings, process)
        except BaseException:
            process.kill()
            raise
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(settings.shutdown_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()


def await_ready(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Return once /readyz answers 200. Raises StartupError."""
    url = f"http://{settings.http.host}:{settings.http.port}/readyz"
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartupError(f"`misweeper run` ended with exit code {process.returncode}; its log is above")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            threading.Event().wait(0.1)
    raise StartupError(f"`misweeper run` was not ready within {READY_S:.0f} s; its log is above")


def wait_for_interrupt() -> None:
    """Until Ctrl-C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
