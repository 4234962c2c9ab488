"""The commands `misweeper reconcile` and `misweeper rebuild`: what an operator asks after something went wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.config import Settings
from broker.errors import StartupError

Since = Annotated[str | None, typer.Option(help="From this time on: 2026-11-23 or 2026-11-23T04:30, UTC.")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]


@contextmanager
def progress(label: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar on standard error; yields what to tell it: how much more there is to do, and how much was done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=0)

        def expect(more: int) -> None:
            bar.update(task, total=(bar.tasks[0].total or 0) + more)

        yield expect, lambda done: bar.advance(task, done)


def write(path: Path, text: str) -> None:
    """A line to a file. Raises StartupError."""
    try:
        path.write_text(text + "\n")
    except OSError as error:
        raise StartupError(f"{path} cannot be written ({error.strerror}); name another file") from error


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
    from broker.accounts.reconcile import Wanted, offsets  # noqa: PLC0415
    from broker.accounts.reconcile import reconcile as recount  # noqa: PLC0415
    from broker.accounts.reconciliation import sentences, table  # noqa: PLC0415
    from broker.commands.moments import moment  # noqa: PLC0415
    from broker.commands.moments import night as hours  # noqa: PLC0415
    from broker.connections import connect_kafka  # noqa: PLC0415 - confluent-kafka is not for --help

    settings = Settings.load()
    if night and (since or until):
        raise StartupError("--night names a time already; leave --since and --until out")
    topics = topic or list(settings.kafka.topics)
    if (from_ or to) and len(topics) > 1:
        raise StartupError("--from and --to are offsets of one topic; name it with --topic")
    begin, end = hours(night) if night else (since and moment(since), until and moment(until))
    wanted = Wanted(topics, begin or None, end or None, offsets(from_), offsets(to))
    with progress("outputs read") as (expect, advanced):
        found = recount(connect_kafka(settings), settings, wanted, expect=expect, advanced=advanced)
    summary = found.summary()
    if json == "-":
        typer.echo(dumps(summary))
    else:
        console = Console()
        console.print(table(summary))
        for sentence in sentences(summary):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        if json:
            write(Path(json), dumps(summary))
    if not summary["clean"]:
        raise typer.Exit(1)


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
    from broker.commands.moments import moment  # noqa: PLC0415
    from broker.connections import connect_kafka, connect_redis  # noqa: PLC0415 - confluent-kafka is not for --help
    from broker.kafka import spans  # noqa: PLC0415 - confluent-kafka is not for --help
    from broker.lightcurves.loss import told_well  # noqa: PLC0415
    from broker.lightcurves.rebuild import committed_spans  # noqa: PLC0415
    from broker.lightcurves.rebuild import rebuild as append  # noqa: PLC0415
    from broker.packets.reader import AlertReader  # noqa: PLC0415

    settings = Settings.load()
    since_ms, until_ms = moment(since), moment(until) if until else None
    store = connect_redis(settings)
    wanted = committed_spans(connect_kafka(settings), settings, since_ms, until_ms)
    with progress("offsets read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        batches = spans.read(settings.kafka.consumer(), wanted, settings.batch.max_size, advanced=advanced)
        done = append(batches, AlertReader(settings.limits.max_message_bytes), store)
    told_well(store.identities, {span.place: span.end for span in wanted})
    typer.echo(
        f"{done.alerts} alerts read, {done.already_there} already there; {done.added} entries added, "
        f"{done.begun} objects begun anew; {done.unreadable} messages unreadable"
    )
