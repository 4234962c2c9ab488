"""The commands `misweeper reconcile` and `misweeper rebuild`: what an operator asks after something went wrong."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from broker.accounts.aside import aside
from broker.accounts.reconcile import Wanted, offsets
from broker.accounts.reconcile import reconcile as recount
from broker.accounts.reconciliation import lines, sentences, table
from broker.commands.files import put, try_out
from broker.commands.moments import moment
from broker.commands.moments import night as hours
from broker.commands.shown import cell
from broker.commands.streams import abandon_stdout, flush_stdout
from broker.config import Settings
from broker.connections import connect_kafka, connect_redis
from broker.errors import StartupError
from broker.kafka import spans
from broker.lightcurves.loss import rebuilding, told_well
from broker.lightcurves.rebuild import AT_ONCE, committed_spans
from broker.lightcurves.rebuild import rebuild as append
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader

EXIT_FINDING, EXIT_CRASH, EXIT_INTERRUPTED = 1, 2, 130
LONGEST_LINE = 1_000

Since = Annotated[str | None, typer.Option(help="From this time on: 2026-11-23 or 2026-11-23T04:30, UTC.")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]


@contextmanager
def progress(label: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar on standard error; yields what to tell it: how much more there is to do, and how much was done."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=0)

        def expect(more: int) -> None:
            bar.update(task, total=(bar.tasks[0].total or 0) + more)

        yield expect, lambda done: bar.advance(task, done)


@contextmanager
def one_means_a_finding() -> Iterator[None]:
    """Exit code 1 of reconcile says that offsets are missing or double; so whatever goes wrong ends with 2."""
    try:
        yield
        flush_stdout()
    except (typer.Exit, StartupError):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (BrokenPipeError, SystemExit):  # rich's way to say that a pipe is broken is to exit with 1
        raise StartupError("nobody reads what is printed; give --json a file") from None
    except OSError as error:
        abandon_stdout()
        raise StartupError(f"the output cannot be written ({error.strerror}); free the disk, or name a file") from error
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(EXIT_CRASH) from error


def reconcile(
    *,
    topic: Annotated[list[str] | None, typer.Option(help="Input topics; by default those that are configured.")] = None,
    since: Since = None,
    until: Until = None,
    night: Annotated[str | None, typer.Option(help="A night, noon to noon UTC, by its date or MJD.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First offset: 1500, or by partition 0:1500,2:80.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="The offset after the last, likewise.")] = None,
    json: Annotated[
        str | None, typer.Option(help="Write the counts to this file as a JSON object; - prints it.")
    ] = None,
) -> None:
    """Recount the fate of every input offset from the topics alone; exit code 1 where one has none, or two.

    Goes up to what the service has committed, so it may run meanwhile: what comes after is pending, not missing.

    Example: misweeper reconcile --night 2026-11-23 --json -
    """
    with one_means_a_finding():
        settings = Settings.load()
        if night and (since or until):
            raise StartupError("--night names a time already; leave --since and --until out")
        topics = topic or list(settings.kafka.topics)
        if (from_ or to) and len(topics) > 1:
            raise StartupError("--from and --to are offsets of one topic; name it with --topic")
        begin, end = hours(night) if night else (since and moment(since), until and moment(until))
        wanted = Wanted(topics, begin or None, end or None, offsets(from_), offsets(to))
        path = Path(json) if json and json != "-" else None
        if path:
            try_out(path)
        with progress("outputs read") as (expect, advanced):
            found = recount(connect_kafka(settings), settings, wanted, expect=expect, advanced=advanced)
        summary = found.summary()
        if json == "-":
            typer.echo(dumps(summary))
        else:
            report(summary, Console())
        if path:
            put(path, dumps(summary) + "\n")
    if not summary["clean"]:
        raise typer.Exit(EXIT_FINDING)


def report(summary: dict[str, Any], console: Console) -> None:
    """Print a table where it fits, lines where it would cut its figures; then what is wrong, in words."""
    drawn = table(summary)
    if console.measure(drawn, options=console.options.update(max_width=LONGEST_LINE)).maximum <= console.width:
        console.print(drawn)
    else:
        for line in lines(summary, console.width):
            console.print(cell(line, longest=LONGEST_LINE), soft_wrap=True)
    for sentence in sentences(summary):
        console.print(cell(sentence, longest=LONGEST_LINE), soft_wrap=True)


def rebuild(
    *,
    since: Annotated[str, typer.Option(help="From this time on: 2026-11-23 or 2026-11-23T04:30, UTC.")],
    until: Until = None,
) -> None:
    """Rebuild the light curves that Redis lost, from the input topics as far as Kafka retains them.

    Reads what the service has committed and appends what its light curves lack; publishes and commits nothing. May
    run beside the service and be repeated: what is there already is left alone.

    Example: misweeper rebuild --since 2026-11-23
    """
    settings = Settings.load()
    since_ms, until_ms = moment(since), moment(until) if until else None
    store = connect_redis(settings)
    admin = connect_kafka(settings)
    wanted = committed_spans(admin, settings, since_ms, until_ms)
    rebuilding(store.identities)
    with progress("offsets read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        batches = spans.read(settings.kafka.consumer(), wanted, AT_ONCE, advanced=advanced)
        reader = AlertReader(settings.limits.max_message_bytes, formats_of(settings))
        ends = {span.place: span.end for span in wanted}
        done = append(batches, reader, store, ends=ends, aside=aside(admin, settings))
    told_well(store.identities, ends)
    typer.echo(
        f"{done.alerts} alerts read, {done.already_there} already there; {done.added} entries added, "
        f"{done.begun} objects begun anew; {done.unreadable} messages unreadable"
    )
