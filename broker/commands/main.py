"""The command `misweeper`."""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.commands import streams
from broker.commands.checkup import checkup
from broker.commands.classify import classify
from broker.commands.deadletters import app as deadletters_app
from broker.commands.model import app as model_app
from broker.commands.moments import moment
from broker.commands.recovery import rebuild, reconcile
from broker.commands.report import report
from broker.commands.sending import replay
from broker.commands.shown import cell
from broker.commands.watch import watch
from broker.commands.web import web
from broker.commands.why import why
from broker.config import Settings, variables
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka.batch import Place
from broker.kafka.fresh import first_offsets
from broker.kafka.topics import create_topics, grow_topics
from broker.text import printable, printable_lines

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
app.add_typer(model_app, name="model")
app.command()(reconcile)
app.command()(rebuild)
app.command()(watch)
app.command()(replay)
app.command()(report)
app.command()(web)
app.command()(why)
app.command()(classify)

EXIT_CONFIGURATION = 2
PARTITIONS = 6
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
def run(
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Let a new group begin with this time: 2026-11-23 or 2026-11-23T04:30, UTC."),
    ] = None,
) -> None:
    """Classify alerts until told to stop (SIGTERM or Ctrl-C; a second one stops at once). SIGHUP: reload artefacts.

    --from is for the first worker of a group that has no offsets yet; the others, and it itself when it is started
    again, go on from what the group has committed. Partitions that appear later are read from their first message on.

    Example: MISWEEPER_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 MISWEEPER_REDIS__URL=redis://redis:6379 misweeper run

    Example: MISWEEPER_KAFKA__GROUP_ID=november misweeper run --from 2026-11-01
    """
    settings = Settings.load()
    first = first_of(settings, from_) if from_ else {}
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
    asked: SimpleQueue[str] = SimpleQueue()
    signal.signal(signal.SIGHUP, lambda *_: asked.put("SIGHUP"))
    from broker.assembly import serve  # noqa: PLC0415 - torch takes seconds to import: not for --help

    serve(settings, stop, first, asked)


def first_of(settings: Settings, begin: str) -> dict[Place, int]:
    """The offsets at which the service's group, which is new, begins at a time. Raises StartupError."""
    kafka, ms = settings.kafka, moment(begin)
    return first_offsets(connect_kafka(settings), kafka.consumer(), kafka.topics, settings.outputs.topics, ms)


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
    settings = Settings.load()
    console.print(settings_table(variables(settings)))
    failed = False
    for part, notes, problem in checkup(settings):
        failed |= problem is not None
        mark = cell("✗ ", "red") if problem else cell("✓ ", "green")
        print_line(console, mark, f"{part}: {problem}" if problem else part)
        for note in notes:
            print_line(console, cell("! ", "yellow"), f"{part}: {note}")
    if failed:
        raise typer.Exit(EXIT_CONFIGURATION)


def print_line(console: Console, mark: Text, text: str) -> None:
    """A finding, on one line however long it is."""
    console.print(mark + cell(text, longest=LONGEST_SENTENCE), soft_wrap=True)


def settings_table(values: Mapping[str, str]) -> Table:
    """Variables as people see them."""
    table = Table("variable", "value")
    for name, value in values.items():
        table.add_row(name, cell(value, longest=LONGEST_SETTING))
    return table


@app.command()
def demo(
    survey: Annotated[
        list[str] | None,
        typer.Option(help="Whose packets: native, rubin, ztf, elasticc or all; may be given more than once."),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Alerts per second, of all surveys together.")] = 1000.0,
    alerts: Annotated[int | None, typer.Option(min=1, help="Send so many alerts only; by default all of them.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the summary to this file as one JSON object.")] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Show the whole service at work on this machine: no Docker, no Java, no server needed.

    A real Kafka and a real Valkey start from Python packages, 400 real PLAsTiCC objects that the model never saw are
    replayed as the packets of one or more surveys (by default native and ztf), one `misweeper run` classifies them all,
    and a summary compares the answers with the truth and recounts the fate of every alert.

    Example: misweeper demo --survey rubin --survey ztf --rate 100 --alerts 4000 --json summary.json
    """
    from broker.commands.demo import demo as play  # noqa: PLC0415 - pandas takes a second: not for run

    surveys = survey or ["native", "ztf"]
    if not play(Console(), surveys=surveys, rate_per_s=rate, limit=alerts, json_path=json, stay=stay):
        raise typer.Exit(1)


@topics_app.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(help="Partitions of the input and output topics.")] = PARTITIONS,
    replication: Annotated[int, typer.Option(help="Copies of each partition; 3 in production.")] = 1,
    grow: Annotated[bool, typer.Option("--grow", help="Add partitions to topics that exist and have fewer.")] = False,
) -> None:
    """Create the input and output topics where they do not exist yet, and say which were there already.

    Example: misweeper topics create --partitions 45 --replication 3
    """
    settings = Settings.load()
    admin = connect_kafka(settings)
    made = create_topics(admin, settings, partitions, replication)
    fewer = [name for name, count in made.existing.items() if count < partitions]
    if grow:
        grow_topics(admin, fewer, partitions)
    for name in made.created:
        typer.echo(f"{printable(name)}: created, partitions: {partitions}")
    for name, count in made.existing.items():
        typer.echo(f"{printable(name)}: {left_as_it_was(count, partitions, grown=grow)}")
    if patterns := [topic for topic in settings.kafka.topics if topic.startswith("^")]:
        typer.echo(f"{printable(', '.join(patterns))}: topics of a regular expression are for others to create")


def left_as_it_was(count: int, wanted: int, *, grown: bool) -> str:
    """What to say of a topic that was there already."""
    if count < wanted and grown:
        return f"was there already with partitions: {count}; it has {wanted} now"
    said = f"was there already, partitions: {count}"
    if count < wanted:
        return f"{said}, not {wanted}; --grow adds the others, and an object's next alerts may then go to another one"
    if count > wanted:
        return f"{said}, not {wanted}; Kafka takes none away: leave it so, or delete the topic and create it again"
    return said


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
