"""The command `misweeper replay`: alerts to Kafka once more, from files or from what Kafka has kept."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from broker.commands.files import put
from broker.commands.nights import begin_group, packets_between, spans_between, target, times_of
from broker.commands.recovery import progress
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans
from broker.replays.packet import Packet

LARGEST_BYTES = 100_000_000


def replay(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV, parquet or .avro files of light curves; or .avro files of a survey's real packets."),
    ] = None,
    *,
    survey: Annotated[
        str | None,
        typer.Option(help="Whose packets to make of light curves: native (the default), rubin, ztf or elasticc."),
    ] = None,
    framing: Annotated[
        str | None,
        typer.Option(help="Of ztf's and elasticc's: container (the default), schemaless or schema-in-key."),
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="Write the packets' schema to this file, for a topic of schemaless ones.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Where to; for files by default the first input topic.")] = None,
    night: Annotated[str | None, typer.Option(help="Without files: a night, noon to noon UTC, by date or MJD.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Likewise from this time on: 2026-11-23 or 2026-11-23T04:30, UTC.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Likewise before this time; by default up to now.")] = None,
    from_topic: Annotated[
        list[str] | None, typer.Option(help="Likewise of these topics; by default the input topics.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Likewise: let this new group begin there, and send nothing.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Alerts per second; by default as fast as it goes.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many alerts at most.")] = None,
) -> None:
    """Send files, or a night that Kafka has kept, one alert a message.

    Light curves become native alerts, one an observation, in order of time; or, with --survey, the packets that a
    survey would have sent of them, one a detection, with the history that such a packet really has. Files of real
    packets are sent as they are, a container of several records as one message each: Rubin's to a topic on which
    MISWEEPER_PACKETS__FORMATS says what its ids mean.

    Without files: what the input topics got in a night goes into another topic as it was, or a group of its own begins
    there. Nothing is committed in the service's group.

    Examples:
    misweeper replay broker/examples/plasticc_heldout.parquet --rate 500

    misweeper replay broker/examples/plasticc_heldout.parquet --survey ztf --topic ztf_20261125_programid1

    misweeper replay broker/examples/plasticc_heldout.parquet --survey elasticc --framing schemaless --schema e.avsc

    misweeper replay night/*.avro --topic lsst-alerts-v11

    misweeper replay --night 2026-11-23 --topic again

    misweeper replay --from 2026-11-23T04:30 --group trial
    """
    settings = Settings.load()
    times = times_of(night, from_, to)
    if bool(files) == bool(times):
        raise StartupError("name files to replay, or a time with --night or --from; one of the two")
    if files:
        from broker.commands.replay import packets_of  # noqa: PLC0415 - pandas takes a second and 100 MB: not for run
        from broker.replays.makers import schema_of  # noqa: PLC0415 - likewise

        if from_topic or group:
            raise StartupError("--from-topic and --group are for a night that Kafka has kept; leave them or the files")
        if schema:
            put(schema, schema_of(survey or "native") + "\n")
        packets = packets_of(files, survey, framing)
        replay_files(settings, packets, topic or settings.kafka.topics[0], rate, limit)
        return
    assert times
    if survey or framing or schema:
        raise StartupError("what Kafka has kept is sent as it is; leave --survey, --framing and --schema out")
    if (topic is None) == (group is None):
        raise StartupError("say where the night goes: into another --topic, or to a --group of its own")
    admin = connect_kafka(settings)
    sources = from_topic or list(settings.kafka.topics)
    if group is not None:
        typer.echo(begin_group(admin, settings, group, sources, times))
        return
    assert topic
    wanted = spans_between(admin, settings, sources, times)
    partitions = target(admin, settings, topic, wanted)
    replay_spans(settings, wanted, topic, partitions, rate, limit)


def replay_files(
    settings: Settings, packets: Iterator[Packet], topic: str, rate: float | None, limit: int | None
) -> None:
    """Send what files hold."""
    from broker.commands.replay import send  # noqa: PLC0415 - pandas takes a second and 100 MB: not for run

    connect_kafka(settings)
    to_send = ((topic, packet) for packet in islice(packets, limit))
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("alerts sent", total=None)
        sent = send(to_send, sender(settings), rate, on_progress=lambda n: bar.update(task, completed=n))
    typer.echo(f"{sent} alerts sent")


def replay_spans(
    settings: Settings, wanted: list[spans.Span], topic: str, partitions: int, rate: float | None, limit: int | None
) -> None:
    """Send what Kafka has kept."""
    from broker.commands.replay import send  # noqa: PLC0415 - likewise

    with progress("offsets read") as (expect, advanced):
        expect(sum(span.size for span in wanted))
        read = packets_between(settings, wanted, partitions, advanced)
        sent = send(((topic, packet) for packet in islice(read, limit)), sender(settings), rate)
    typer.echo(f"{sent} alerts sent to {topic}; nothing is committed")


def sender(settings: Settings) -> Producer:
    """A producer that repeats nothing and takes what is large."""
    config = settings.kafka.client() | {"enable.idempotence": True, "linger.ms": 5, "message.max.bytes": LARGEST_BYTES}
    return Producer(config)
