"""The command `misweeper`."""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from broker.commands import streams
from broker.commands.deadletters import app as deadletters_app
from broker.commands.recovery import rebuild, reconcile
from broker.commands.report import report
from broker.commands.shown import cell
from broker.commands.watch import watch
from broker.commands.web import web
from broker.config import Settings, variables
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka.topics import create_topics
from broker.text import printable_lines

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables: secrets
    rich_markup_mode="markdown",
    help=__doc__,
)
topics_app = typer.Typer(no_args_is_help=True, help="The Kafka topics of the service.")
app.add_typer(topics_app, name="topics")
app.add_typer(deadletters_app, name="dead-letters")
app.command()(reconcile)
app.command()(rebuild)
app.command()(watch)
app.command()(report)
app.command()(web)

EXIT_CONFIGURATION = 2
EXIT_LATE = 3
LONGEST_SETTING, LONGEST_SENTENCE = 1_000, 4_000  # characters


def print_version(wanted: bool) -> None:
    """Print which misweeper this is, and end."""
    if wanted:
        typer.echo(f"misweeper {version('misweeper')}")
        raise typer.Exit


@app.callback()
def misweeper(
    _: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Which one this is.")
    ] = False,
) -> None:
    """A streaming alert broker: telescope alerts in, light-curve classifications out, exactly once.

    Everything is configured by environment variables named MISWEEPER_...: `misweeper check --list` prints them.

    Begin with `misweeper demo`: a real Kafka, a real Valkey and real light curves on this machine.
    """


@app.command()
def run() -> None:
    """Classify alerts until told to stop (SIGTERM or Ctrl-C; a second one stops at once).

    Example: MISWEEPER_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 MISWEEPER_REDIS__URL=redis://redis:6379 misweeper run
    """
    settings = Settings.load()
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        # A batch that takes longer than this is left: what is not committed is done again by whoever comes next.
        late = threading.Timer(settings.shutdown_timeout_s, os._exit, (EXIT_LATE,))
        late.daemon = True
        late.start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    from broker.assembly import serve  # noqa: PLC0415 - torch takes seconds to import: not for --help

    serve(settings, stop)


@app.command()
def check(
    variables_only: Annotated[bool, typer.Option("--list", help="Only list the variables and their defaults.")] = False,
) -> None:
    """Print the configuration, secrets masked, and try every connection.

    Example: MISWEEPER_KAFKA__TOPICS='^ztf_2026.*' misweeper check
    """
    console = Console()
    if variables_only:
        for name, value in variables().items():
            console.print(cell(f"{name}={value}", longest=LONGEST_SETTING), soft_wrap=True)
        return
    from broker.commands.checkup import checkup  # noqa: PLC0415 - torch takes seconds to import

    settings = Settings.load()
    console.print(settings_table(variables(settings)))
    failed = False
    for part, problem in checkup(settings):
        failed |= problem is not None
        mark = cell("✗ ", "red") if problem else cell("✓ ", "green")
        console.print(mark + cell(f"{part}: {problem}" if problem else part, longest=LONGEST_SENTENCE))
    if failed:
        raise typer.Exit(EXIT_CONFIGURATION)


def settings_table(values: Mapping[str, str]) -> Table:
    """Variables as people see them."""
    table = Table("variable", "value")
    for name, value in values.items():
        table.add_row(name, cell(value, longest=LONGEST_SETTING))
    return table


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="CSV, parquet, or an Avro container file of native alerts.")],
    topic: Annotated[str | None, typer.Option(help="Where to; by default the first input topic.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Alerts per second; by default as fast as it goes.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many alerts at most.")] = None,
) -> None:
    """Send the observations of a file to Kafka, one alert each, in order of time.

    Example: misweeper replay broker/examples/plasticc_heldout.parquet --rate 500
    """
    from broker.commands.replay import read_alerts  # noqa: PLC0415 - pandas takes a second and 100 MB: not for run
    from broker.commands.replay import replay as send  # noqa: PLC0415

    settings = Settings.load()
    connect_kafka(settings)
    records = islice(read_alerts(file), limit)
    producer = Producer({**settings.kafka.client(), "enable.idempotence": True, "linger.ms": 5})
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("alerts sent", total=None)
        sent = send(
            records,
            producer,
            topic or settings.kafka.topics[0],
            rate,
            on_progress=lambda n: progress.update(task, completed=n),
        )
    typer.echo(f"{sent} alerts sent")


@app.command()
def demo(
    rate: Annotated[float, typer.Option(min=0.1, help="Alerts per second.")] = 1000.0,
    alerts: Annotated[int | None, typer.Option(min=1, help="Send so many alerts only; by default all of them.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the summary to this file as one JSON object.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Show the whole service at work on this machine: no Docker, no Java, no server needed.

    A real Kafka and a real Valkey start from Python packages, 400 real PLAsTiCC objects that the model never saw are
    replayed, `misweeper run` classifies them, and a summary compares the answers with the truth.

    Example: misweeper demo --rate 8 --alerts 400 --json summary.json
    """
    from broker.commands.demo import demo as play  # noqa: PLC0415 - pandas takes a second: not for run

    if not play(Console(), rate_per_s=rate, limit=alerts, json_path=json, stay=stay):
        raise typer.Exit(1)


@topics_app.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(help="Partitions of the input and output topics.")] = 6,
    replication: Annotated[int, typer.Option(help="Copies of each partition; 3 in production.")] = 1,
) -> None:
    """Create the input and output topics where they do not exist yet.

    Example: misweeper topics create --partitions 45 --replication 3
    """
    settings = Settings.load()
    create_topics(connect_kafka(settings), settings, partitions, replication)


def main() -> None:
    """Run the command; an error that the operator can mend is one sentence and exit code 2."""
    streams.mend()
    try:
        app()
    except StartupError as error:
        sys.stderr.write(f"misweeper: {printable_lines(str(error), LONGEST_SENTENCE)}\n")
        sys.exit(EXIT_CONFIGURATION)


if __name__ == "__main__":
    main()
