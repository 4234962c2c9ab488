"""The command `misweeper`."""

import os
import signal
import sys
import threading
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.config import Settings, variables
from broker.errors import StartupError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", help=__doc__)
topics_app = typer.Typer(no_args_is_help=True, help="The Kafka topics of the service.")
app.add_typer(topics_app, name="topics")

EXIT_CONFIGURATION = 2


@app.callback()
def misweeper() -> None:
    """A streaming alert broker: telescope alerts in, light-curve classifications out, exactly once.

    Everything is configured by environment variables named MISWEEPER_...: `misweeper check --list` prints them.

    Begin with `misweeper demo`: a real Kafka, a real Valkey and real light curves on this machine.
    """


@app.command()
def run() -> None:
    """Classify alerts until told to stop (SIGTERM or Ctrl-C; a second one stops at once).

    Example: MISWEEPER_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 MISWEEPER_REDIS__URL=redis://redis:6379 misweeper run
    """
    from broker.assembly import serve  # noqa: PLC0415 - torch takes seconds to import: not for --help

    settings = Settings.load()
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
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
            console.print(f"{name}={value}", highlight=False, soft_wrap=True)
        return
    from broker.checkup import checkup  # noqa: PLC0415 - torch takes seconds to import

    settings = Settings.load()
    table = Table("variable", "value")
    for name, value in variables(settings).items():
        table.add_row(name, value)
    console.print(table)
    failed = False
    for part, problem in checkup(settings):
        failed |= problem is not None
        console.print(f"[red]✗[/] {part}: {problem}" if problem else f"[green]✓[/] {part}")
    if failed:
        raise typer.Exit(EXIT_CONFIGURATION)


@topics_app.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(help="Partitions of the input and output topics.")] = 6,
    replication: Annotated[int, typer.Option(help="Copies of each partition; 3 in production.")] = 1,
) -> None:
    """Create the input and output topics where they do not exist yet.

    Example: misweeper topics create --partitions 45 --replication 3
    """
    from broker.assembly import connect_kafka  # noqa: PLC0415 - torch takes seconds to import
    from broker.topics import create_topics  # noqa: PLC0415

    settings = Settings.load()
    create_topics(connect_kafka(settings), settings, partitions, replication)


def main() -> None:
    """Run the command; an error that the operator can mend is one sentence and exit code 2."""
    try:
        app()
    except StartupError as error:
        Console(stderr=True).print(f"misweeper: {error}", highlight=False, soft_wrap=True, markup=False)
        sys.exit(EXIT_CONFIGURATION)
