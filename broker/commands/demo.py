"""`misweeper demo`: a real Kafka, a real Valkey, real light curves that the model never saw, and the service itself.

The service runs in a process of its own, as in production. This process replays the alerts as the surveys would have
sent them, reads the classifications as a subscriber does, compares them with the truth, and recounts every offset.
"""

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from broker.accounts.reconcile import Wanted, reconcile
from broker.commands.board import Board
from broker.commands.demoservice import OURS, PARTITIONS, environment, service, warm_up, web_page
from broker.commands.demostream import HELDOUT, TOPICS, chosen, demo_packets, packet_count
from broker.commands.files import put, try_out
from broker.commands.replay import send
from broker.commands.shown import cell
from broker.commands.tally import Summary, Tally
from broker.config import Settings
from broker.embedded import embedded_servers
from broker.errors import StartupError
from broker.kafka.subscription import Subscription
from broker.kafka.topics import create_topics
from broker.text import host_and_port
from model.taxonomy import CLASS_NAMES

STALLED_S = 60.0  # without a classification


def demo(
    console: Console,
    *,
    surveys: Sequence[str],
    rate_per_s: float,
    limit: int | None,
    json_path: Path | None,
    stay: bool,
) -> bool:
    """Run the demo; whether every alert came back as a classification, and the recount is clean.

    Raises StartupError.
    """
    names = chosen(surveys)
    if json_path:
        try_out(json_path)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    with embedded_servers(console) as servers:
        ours = environment(servers, os.environ, [TOPICS[name] for name in names])
        for name in [name for name in os.environ if name.upper().startswith(OURS)]:
            del os.environ[name]
        os.environ.update(ours)
        settings = Settings.load()
        try:
            admin = AdminClient(settings.kafka.client())
            create_topics(admin, settings, partitions=PARTITIONS, replication=1)
            with console.status("warming up Kafka"):
                warm_up(settings, admin)
            with web_page() as address, service(settings, console):
                summary, tally = play(settings, console, names, rate_per_s, limit)
                with console.status("recounting every offset"):
                    found = reconcile(admin, settings, Wanted(list(settings.kafka.topics)))
                summary = replace(summary, clean=found.summary()["clean"])
                show(console, settings, summary, tally, address)
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
    return summary.published == summary.alerts and summary.dead_letters == 0 and bool(summary.clean)


def leave(number: int, _: object) -> None:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: everything it started goes first. Raises SystemExit."""
    raise SystemExit(128 + number)


def play(
    settings: Settings, console: Console, surveys: Sequence[str], rate_per_s: float, limit: int | None
) -> tuple[Summary, Tally]:
    """Replay the held-out alerts and read what becomes of them."""
    truth = {str(k): int(v) for k, v in pd.read_parquet(HELDOUT, columns=["object_id", "true_class"]).to_numpy()}
    total = min(limit or sys.maxsize, packet_count(surveys))
    outputs = settings.outputs
    kinds = dict(zip(outputs.ours, ("classifications", "anomalies", "dead_letters"), strict=True))
    schemas = dict(zip(outputs.ours, ("classification", "classification", "dead_letter"), strict=True))
    subscription = Subscription(settings.kafka.client(), schemas)
    tally, board = Tally(truth), Board(rows=12)
    producer = Producer({**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5})
    failed: list[StartupError] = []

    def stream() -> None:
        try:
            send(demo_packets(surveys, total), producer, rate_per_s, on_send=tally.note)
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
    return tally.summary(total, seconds), tally


def require_progress(failed: list[StartupError], silent_s: float, published: int, total: int) -> None:
    """Raise StartupError where alerts can no longer be sent, or nothing has come for too long."""
    if failed:
        raise failed[0]
    if silent_s > STALLED_S:
        raise StartupError(
            f"no classification came for {STALLED_S:.0f} s ({published} of {total} so far); the service's log is above"
        )


def show(console: Console, settings: Settings, summary: Summary, tally: Tally, address: str | None) -> None:
    """Print the figures, the strangest objects, and where everything is."""
    table = Table(title="misweeper demo", show_header=False, title_justify="left")
    table.add_row("alerts", f"{summary.alerts:,} of {summary.objects:,} objects that the model never saw")
    table.add_row("published", f"{summary.published:,}")
    for survey, its in summary.surveys.items():
        told = f"{its.sent:,} sent, {its.published:,} published, {its.objects} objects, accuracy {its.accuracy:.3f}"
        table.add_row(f"  {survey}", told)
    table.add_row("dead letters", f"{summary.dead_letters:,}")
    table.add_row("recount", "every offset has one fate" if summary.clean else "NOT every offset has one fate")
    table.add_row("throughput", f"{summary.alerts_per_s:,.0f} alerts/s")
    latency = summary.latency_ms
    table.add_row("latency", f"p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms, p99 {latency['p99']:.0f} ms")
    table.add_row("weighted log loss", f"{summary.wll:.3f} (uniform probabilities: 2.639)")
    table.add_row("accuracy", f"{summary.accuracy:.3f}")
    for row in strangest_rows(tally):
        table.add_row(*row)
    table.add_row("Kafka", settings.kafka.bootstrap_servers)
    table.add_row("topics", ", ".join((*settings.kafka.topics, *settings.outputs.topics)))
    table.add_row("metrics", f"http://{host_and_port(settings.http.host, settings.http.port)}/metrics")
    if address:
        table.add_row("page", address)
    console.print(table)


def strangest_rows(tally: Tally) -> Iterator[tuple[str, Text]]:
    """The five flagged objects with the highest scores."""
    strangest = sorted(tally.strangest.values(), key=lambda r: -r["anomalyScore"])[:5]
    for place, record in enumerate(strangest, 1):
        nearest = CLASS_NAMES.get(record.get("nearestClass") or 0)
        told = f": score {record['anomalyScore']:.1f}" + (f", nearest {nearest}" if nearest else "")
        yield f"anomaly {place}", Text("object ") + cell(f"{record['survey']}/{record['objectId']}") + Text(told)


def wait_for_interrupt() -> None:
    """Until Ctrl-C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
