"""Classifications as they are committed: a live table, lines, JSON, an Avro file, or one object's light curve."""

import signal
import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from broker.commands.following import Source, Watching, draw_once, follow, follow_object, follow_plainly, print_json
from broker.commands.moments import moment
from broker.commands.printed import avro_file
from broker.commands.selection import Selection, class_named, object_named, survey_listed
from broker.commands.streams import flush_stdout
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.subscription import Subscription
from broker.settings.routes import Route
from broker.text import printable


class Form(StrEnum):
    """How classifications are shown."""

    TABLE = "table"
    JSONL = "jsonl"
    AVRO = "avro"


def watch(
    *,
    survey: Annotated[str | None, typer.Option(help="Only of this survey: plasticc, rubin, ztf, elasticc.")] = None,
    class_: Annotated[
        str | None, typer.Option("--class", help="Only where this class is the most probable: TDE, 'SN Ia', 64.")
    ] = None,
    probability: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Only where that class has at least this probability.")
    ] = None,
    anomalies: Annotated[bool, typer.Option("--anomalies", help="Only those that are flagged.")] = False,
    object_: Annotated[
        str | None, typer.Option("--object", help="Only this object, survey/name: its light curve is drawn.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Begin with this time: 2026-11-23 or 2026-11-23T04:30, UTC.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest classification kept.")
    ] = False,
    route: Annotated[str | None, typer.Option(help="Read what this route publishes; by default all.")] = None,
    topic: Annotated[str | None, typer.Option(help="Read this topic, such as that of anomalies.")] = None,
    form: Annotated[
        Form, typer.Option("--format", help="table; jsonl, a JSON object a line; avro, a file.")
    ] = Form.TABLE,
    output: Annotated[Path | None, typer.Option(help="The Avro object container file to write.")] = None,
) -> None:
    """Show classifications as they are committed, in a live table. Ctrl-C ends it.

    Where there is no terminal for a table (a pipe, TERM=dumb), a line each. With --object and no terminal, the light
    curve is drawn once.

    Examples:
    misweeper watch --class TDE --probability 0.7

    misweeper watch --survey ztf --object ZTF18abcdefg

    misweeper watch --anomalies --since 2026-11-23 --format jsonl > anomalies.jsonl

    misweeper watch --from-start --format avro --output all.avro
    """
    settings = Settings.load()
    if (form is Form.AVRO) != (output is not None):
        raise StartupError("--format avro writes a file, and --output names it; give both or neither")
    wanted = Selection(
        survey=survey_listed(survey) if survey else None,
        class_name=class_named(class_) if class_ else None,
        probability=probability,
        anomalies=anomalies,
        object=object_named(object_, survey) if object_ else None,
    )
    begin_ms = moment(since) if since else None
    source = read_from(settings, route, topic, wanted, form)
    admin = connect_kafka(settings)
    read = source.topic
    places = spans.partitions(admin, [read])  # says so where there is none
    drawn = wanted.object is not None and form is Form.TABLE
    start = "earliest" if from_start or drawn else "latest"
    first = spans.at_time(admin, places, begin_ms) if begin_ms is not None else None
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # An exception would be lost where it comes while Kafka's client calls back.
        signal.signal(number, lambda *_: stop.set())
    console = Console()
    live = console.is_terminal and not console.is_dumb_terminal
    if drawn and not live:
        assert wanted.object
        draw_once(settings, admin, console, wanted, begin_ms, source)
        return
    subscription = Subscription(
        settings.kafka.client(), {read: source.schema}, start, first, bare=[read] if source.bare else []
    )
    watching = Watching(subscription, read, wanted, stop)
    try:
        if form is Form.AVRO:
            assert output
            with avro_file(output) as sheet:
                watching.hand_over(*sheet)
            typer.echo(f"{watching.taken} classifications written", err=True)
        elif form is Form.JSONL:
            watching.hand_over(print_json, flush_stdout)
        elif drawn:
            follow_object(settings, watching, console)
        elif live:
            follow(watching, console)
        else:
            follow_plainly(watching, console)
    except KafkaException as error:
        why = error.args[0].str()
        raise StartupError(f"{read} cannot be read ({why}); look at the rights of this user") from error
    except BrokenPipeError:
        raise StartupError("nobody reads what is printed any more") from None
    finally:
        subscription.close()


def read_from(settings: Settings, route: str | None, topic: str | None, wanted: Selection, form: Form) -> Source:
    """The topic that is meant. Raises StartupError where there is no such route, or it cannot tell what is wanted."""
    if route is None:
        return Source(topic or settings.outputs.classifications)
    if topic is not None:
        raise StartupError("--route names a topic already; leave --topic out")
    if (found := settings.outputs.routes.get(route)) is None:
        known = ", ".join(settings.outputs.routes) or "none"
        raise StartupError(f"there is no route {printable(route)}; MISWEEPER_OUTPUTS__ROUTES has {printable(known)}")
    check_route(route, found, wanted, form)
    schema = "elasticc" if found.content == "elasticc" else "classification"
    return Source(found.topic, schema, bare=found.framing == "schemaless")


def check_route(name: str, route: Route, wanted: Selection, form: Form) -> None:
    """Raises StartupError where what is wanted cannot be told from what a route publishes: nothing would be shown."""
    if route.content == "classification":
        return
    of = f"route {printable(name)} publishes content={route.content}"
    if route.content == "packet" and route.framing == "schemaless":
        raise StartupError(f"{of} without any schema, which nobody can read here; frame it as container")
    if wanted.anomalies:
        raise StartupError(f"{of}, which has no flag; leave --anomalies out, or watch the classifications")
    if route.framing == "schema_in_key" and (wanted.survey or wanted.object):
        raise StartupError(f"{of} with a schema as key, which names no object; leave --survey and --object out")
    if form is Form.AVRO:
        raise StartupError(f"{of}, and --format avro writes classifications of ours; take --format jsonl")
