"""The commands `misweeper dead-letters list | show | replay`."""

from collections import Counter
from heapq import heappush, heappushpop
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.accounts import resend
from broker.accounts.deadletters import DETAIL, Choice, described, letter_spans, letters, own_span, row
from broker.accounts.ledger import FATES
from broker.commands.moments import moment
from broker.commands.recovery import Since, Until, progress
from broker.commands.shown import cell
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import Reason, StartupError
from broker.kafka import spans
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from broker.text import calendar, printable

app = typer.Typer(no_args_is_help=True, help="What could not be read: see it, and send it back once it can be.")

OfReason = Annotated[Reason | None, typer.Option("--reason", help="Only those with this reason.")]
OfFate = Annotated[str | None, typer.Option("--fate", help="Only this one: dead_letter, duplicate or declined.")]
OfSurvey = Annotated[str | None, typer.Option("--survey", help="Only those whose bytes tell this survey.")]
LISTED = 20  # letters that a replay names


@app.command("list")
def list_letters(
    *,
    reason: OfReason = None,
    fate: OfFate = None,
    survey: OfSurvey = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest, in the table.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="All of them, one JSON object a line, as read.")] = False,
) -> None:
    """List the messages on the dead-letters topic, the newest last.

    Example: misweeper dead-letters list --reason not_avro --since 2026-11-23
    """
    settings = Settings.load()
    choice = choose(settings, reason=reason, fate=fate, survey=survey, since=since, until=until)
    wanted = letter_spans(connect_kafka(settings), settings, choice.since_ms)
    counts: Counter[str] = Counter()
    newest: list[tuple[int, int, int, dict[str, Any]]] = []
    with progress("letters read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        for letter in letters(settings, wanted, advanced):
            if not choice.takes(letter):
                continue
            one = row(letter, choice.survey_of(letter))
            if json:
                typer.echo(dumps(one))
                continue
            counts[one["reason"]] += 1
            (heappush if len(newest) < limit else heappushpop)(newest, (one["failedAt"], *letter.place, one))
    if json:
        return
    console = Console()
    console.print(table([one for *_, one in sorted(newest)]))
    total = ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
    console.print(cell(f"{counts.total():,} letters: {total}" if counts else "no letters"))


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="Of the message; or the dead-letters topic, for a letter's own place.")],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
) -> None:
    """Show one dead letter: its fields, its first bytes, and what decoding says of it today.

    Example: misweeper dead-letters show alerts 3 1807
    """
    settings = Settings.load()
    own = topic == settings.outputs.dead_letters
    admin = connect_kafka(settings)
    wanted = [own_span(admin, topic, partition, offset)] if own else letter_spans(admin, settings)
    reader = AlertReader(settings.limits.max_message_bytes, formats_of(settings))
    found = 0
    with progress("letters read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        for letter in letters(settings, wanted, advanced):
            if letter.place == (partition, offset) if own else letter.source == (topic, partition, offset):
                found += 1
                typer.echo("\n".join(described(letter, reader)))
    if not found:
        kind = "at" if own else "for"
        raise StartupError(
            f"no dead letter {kind} {printable(topic)}[{partition}]@{offset}; `misweeper dead-letters list` shows all"
        )


@app.command()
def replay(
    *,
    reason: OfReason = None,
    survey: OfSurvey = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Send the original bytes, key and headers of dead letters back to their partition, each letter once.

    For when the reason has been mended: a schema added, a bound raised. What a crash leaves out, a later replay sends.

    Example: misweeper dead-letters replay --reason unknown_schema --since 2026-11-23 --dry-run
    """
    settings = Settings.load()
    choice = choose(settings, reason=reason, survey=survey, since=since, until=until)
    admin = connect_kafka(settings)
    producer = None if dry_run else resend.connect(settings.kafka.client(), settings.kafka.group_id)
    wanted = letter_spans(admin, settings, choice.since_ms)
    known = set(spans.partitions(admin, ["^"]))
    with progress("messages read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        wishes = [resend.wish(one, known) for one in letters(settings, wanted, advanced) if choice.takes(one)]
        behind = resend.sent_spans(admin, [one for one in wishes if one.refused is None])
        expect(sum(span.size for span in behind))
        sent = resend.sent_already(spans.read(settings.kafka.consumer(), behind, advanced=advanced), wishes)
    sendable = {one.source: one for one in wishes if one.refused is None and one.source not in sent}
    refusals = Counter(one.refused or "replayed before" for one in wishes if one.refused or one.source in sent)
    for why, count in refusals.most_common():
        typer.echo(f"{count} not sent: {why}")
    for topic, partition, offset in list(sendable)[:LISTED]:
        typer.echo(f"to send: {printable(topic)}[{partition}]@{offset}")
    typer.echo(f"{len(sendable)} letters to send")
    if producer is None or not sendable:
        return
    if not yes:
        typer.confirm("Send them?", abort=True)
    places = [one.place for one in sendable.values()]
    again = resend.own_spans(settings.outputs.dead_letters, places)
    with progress("letters read again") as (expect, advanced):
        expect(sum(span.size for span in again))
        count = resend.resend(producer, letters(settings, again, advanced), places)
    typer.echo(f"{count} letters sent")


def choose(
    settings: Settings,
    *,
    reason: Reason | None,
    fate: str | None = None,
    survey: str | None,
    since: str | None,
    until: str | None,
) -> Choice:
    """The letters that the options ask for. Raises StartupError."""
    if fate is not None and fate not in FATES[1:]:
        raise StartupError(f"no letter has the fate {printable(fate)}; give one of {', '.join(FATES[1:])}")
    reader = AlertReader(settings.limits.max_message_bytes, formats_of(settings))
    return Choice(
        survey_of=lambda letter: reader.survey_of(letter.original()),
        fate=fate,
        reason=reason,
        survey=survey,
        since_ms=moment(since) if since else None,
        until_ms=moment(until) if until else None,
    )


def table(rows: list[dict[str, Any]]) -> Table:
    """Letters as people see them."""
    drawn = Table()
    for name in ("failed at", "message", "reason", "bytes", "detail"):
        drawn.add_column(name, no_wrap=name == "failed at", overflow="fold")
    for one in rows:
        drawn.add_row(
            calendar(one["failedAt"]),
            cell(f"{one['sourceTopic']}[{one['sourcePartition']}]@{one['sourceOffset']}"),
            cell(one["reason"]),
            f"{one['valueSize']:,}",
            cell(one["detail"], longest=DETAIL),
        )
    return drawn
