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
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import pandas as pd
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from broker.commands.files import put, try_out
from broker.commands.replay import read_alerts, send
from broker.commands.shown import cell
from broker.commands.tally import Summary, Tally
from broker.commands.watch import Board
from broker.config import Settings
from broker.embedded import Servers, embedded_servers, free_port, guard
from broker.errors import StartupError
from broker.kafka.subscription import Subscription
from broker.kafka.topics import create_topics
from broker.replays.native import native_packets
from broker.replays.packet import Packet
from model.taxonomy import CLASS_NAMES

HELDOUT = Path(__file__).parents[1] / "examples" / "plasticc_heldout.parquet"
PARTITIONS = 2  # enough for one worker; each costs Kafka a marker in every transaction
READY_S = 120.0
WARM_TRANSACTIONS = 100
STALLED_S = 60.0  # without a classification
OURS = "MISWEEPER_"
KEPT = ("MISWEEPER_CLASSIFIER__", "MISWEEPER_BATCH__", "MISWEEPER_LOG__")  # settings of the shell that the demo obeys


def demo(console: Console, *, rate_per_s: float, limit: int | None, json_path: Path | None, stay: bool) -> bool:
    """Run the demo; whether every alert came back as a classification. Raises StartupError."""
    if json_path:
        try_out(json_path)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    with embedded_servers(console) as servers:
        ours = environment(servers, os.environ)
        for name in [name for name in os.environ if name.upper().startswith(OURS)]:
            del os.environ[name]
        os.environ.update(ours)
        settings = Settings.load()
        try:
            admin = AdminClient(settings.kafka.client())
            create_topics(admin, settings, partitions=PARTITIONS, replication=1)
            with console.status("warming up Kafka"):
                warm_up(settings, admin)
            with service(settings, console):
                summary, tally = play(settings, console, rate_per_s, limit)
                show(console, settings, summary, tally)
                if json_path:
                    put(json_path, json.dumps(asdict(summary), indent=2) + "\n")
                if stay:
                    console.print("[bold]Staying up.[/] Ctrl-C ends it. In another terminal:")
                    exports = " ".join(f"{name}={value}" for name, value in ours.items())
                    console.print(cell(f"  {exports} misweeper watch", longest=4_000), soft_wrap=True)
                    wait_for_interrupt()
        except KafkaException as error:
            why = error.args[0].str()
            raise StartupError(f"the demo's Kafka failed ({why}); its log ends:\n{servers.kafka.log_tail()}") from error
    return summary.published == summary.alerts and summary.dead_letters == 0


def environment(servers: Servers, shell: Mapping[str, str]) -> dict[str, str]:
    """The settings of the demo's service: its own servers, and of the shell's settings none that name others."""
    kept = {name: value for name, value in shell.items() if name.upper().startswith(KEPT)}
    return kept | {
        "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
        "MISWEEPER_REDIS__URL": servers.valkey.url,
        "MISWEEPER_HTTP__PORT": str(free_port()),
        "MISWEEPER_KAFKA__TOPICS": "plasticc",
        "MISWEEPER_WORKER": "demo",
    }


def leave(number: int, _: object) -> None:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: everything it started goes first. Raises SystemExit."""
    raise SystemExit(128 + number)


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
    kinds = dict(zip(outputs.topics, ("classifications", "anomalies", "dead_letters"), strict=True))
    schemas = dict(zip(outputs.topics, ("classification", "classification", "dead_letter"), strict=True))
    subscription = Subscription(settings.kafka.client(), schemas)
    tally, board = Tally(), Board(rows=12)

    def note(packet: Packet) -> None:
        tally.sent_at[packet.alert_id] = time.monotonic()

    packets = native_packets(islice(read_alerts(HELDOUT), total))
    producer = Producer({**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5})
    failed: list[StartupError] = []

    def stream() -> None:
        try:
            send(packets, producer, settings.kafka.topics[0], rate_per_s, on_send=note)
        except StartupError as error:
            failed.append(error)

    sender = threading.Thread(target=stream, name="replay", daemon=True)
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
            require_progress(failed, time.monotonic() - heard, tally.published, total)
            if time.monotonic() - drawn > 0.25:
                drawn = time.monotonic()
                progress.update(task, completed=tally.published)
                live.update(Group(board.table(), progress), refresh=True)
    seconds = time.monotonic() - began
    for published in subscription.poll(10_000, 1.0):  # anomalies of the last transactions
        tally.add(kinds[published.topic], published.record)
    subscription.close()
    return tally.summary(total, seconds, truth), tally


def require_progress(failed: list[StartupError], silent_s: float, published: int, total: int) -> None:
    """Raise StartupError where alerts can no longer be sent, or nothing has come for too long."""
    if failed:
        raise failed[0]
    if silent_s > STALLED_S:
        raise StartupError(
            f"no classification came for {STALLED_S:.0f} s ({published} of {total} so far); the service's log is above"
        )


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
    for row in strangest_rows(tally):
        table.add_row(*row)
    table.add_row("Kafka", settings.kafka.bootstrap_servers)
    table.add_row("topics", ", ".join((*settings.kafka.topics, *settings.outputs.topics)))
    table.add_row("metrics", f"http://{settings.http.host}:{settings.http.port}/metrics")
    console.print(table)


def strangest_rows(tally: Tally) -> Iterator[tuple[str, Text]]:
    """The five flagged objects with the highest scores."""
    strangest = sorted(tally.strangest.values(), key=lambda r: -r["anomalyScore"])[:5]
    for place, record in enumerate(strangest, 1):
        best = max(record["classifications"], key=lambda c: c["probability"])
        told = f": score {record['anomalyScore']:.1f}, nearest {CLASS_NAMES[best['classId']]}"
        yield f"anomaly {place}", Text("object ") + cell(record["objectId"]) + Text(told)


@contextmanager
def service(settings: Settings, console: Console) -> Iterator[None]:
    """`misweeper run` in a process of its own, once it is ready; stopped by SIGTERM as an orchestrator would.

    The guard of the embedded servers holds it too, so that it ends with this process, even by kill -9.
    """
    run = [sys.executable, "-m", "broker.commands.main", "run"]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-I", "-S", guard.__file__, guard.NO_FOLDER, *run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process alone
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            pid = process.stdout.readline()
            with console.status("starting misweeper run"):
                await_ready(settings, process)
            yield
            os.kill(int(pid), signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(settings.shutdown_timeout_s)
        finally:
            process.stdin.close()  # the guard kills what is left


def await_ready(settings: Settings, process: subprocess.Popen[str]) -> None:
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
