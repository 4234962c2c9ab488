"""The command `misweeper replay`: alerts to Kafka once more, from files."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import Producer
from rich.console import Console
from rich.progress import Progress

from broker.config import Settings
from broker.connections import connect_kafka

LARGEST_BYTES = 100_000_000


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(help="CSV, parquet or .avro files of light curves; or .avro files of a survey's real packets."),
    ],
    *,
    survey: Annotated[
        str | None,
        typer.Option(help="Whose packets to make of light curves: native (the default), rubin, ztf or elasticc."),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Where to; by default the first input topic.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Alerts per second; by default as fast as it goes.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many alerts at most.")] = None,
) -> None:
    """Send files to Kafka, one alert a message, in order of time.

    Light curves become native alerts, one an observation; or, with --survey, the packets that a survey would have sent
    of them, one a detection, with the history that such a packet really has. Files of real packets are sent as they
    are, a container of several records as one message each.

    Examples:
    misweeper replay broker/examples/plasticc_heldout.parquet --rate 500

    misweeper replay broker/examples/plasticc_heldout.parquet --survey ztf --topic ztf_20261125_programid1

    misweeper replay night/*.avro --topic ztf_20261125_programid1
    """
    from broker.commands.replay import packets_of, send  # noqa: PLC0415 - pandas takes a second and 100 MB: not for run

    settings = Settings.load()
    connect_kafka(settings)
    producer = Producer(
        {
            **settings.kafka.client(),
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": LARGEST_BYTES,
        }
    )
    to = topic or settings.kafka.topics[0]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("alerts sent", total=None)
        sent = send(
            ((to, packet) for packet in islice(packets_of(files, survey), limit)),
            producer,
            rate,
            on_progress=lambda n: progress.update(task, completed=n),
        )
    typer.echo(f"{sent} alerts sent")
