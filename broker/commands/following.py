"""What is wanted of a topic as it comes: to a table, to lines, to a program, or to one object's light curve."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import typer
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.live import Live

from broker.commands.board import Board, Row
from broker.commands.drawing import drawing, stored_curve
from broker.commands.printed import json_line
from broker.commands.selection import Record, Selection, with_object
from broker.commands.shown import cell
from broker.config import Settings
from broker.connections import connect_redis
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.subscription import Subscription, decoded
from schemas.catalogue import load

POLL_S = 0.25
AT_ONCE = 1_000


class Source(NamedTuple):
    """A topic, and what its messages are; other framings than the bare one are told by their bytes."""

    topic: str
    schema: str = "classification"
    bare: bool = False


class Watching:
    """What is wanted of a topic, until it is to stop; and what keeps it from coming."""

    def __init__(self, subscription: Subscription, topic: str, wanted: Selection, stop: threading.Event) -> None:
        self.topic, self.stop, self.wanted = topic, stop, wanted
        self.taken = 0
        self._subscription = subscription

    @property
    def trouble(self) -> str:
        """In words; "" where there is none."""
        return self._subscription.trouble

    @property
    def strangers(self) -> int:
        """Messages that are none of ours."""
        return self._subscription.strangers

    def rounds(self) -> Iterator[list[Record]]:
        """What has come and is wanted, some times a second, also where nothing has. Raises KafkaException."""
        while not self.stop.is_set():
            records = [with_object(one.record, one.key) for one in self._subscription.poll(1000, POLL_S)]
            self._subscription.look()
            chosen = [record for record in records if self.wanted.takes(record)]
            self.taken += len(chosen)
            yield chosen

    def hand_over(self, take: Callable[[Record], None], flush: Callable[[], None]) -> None:
        """Give each to a program; troubles go to standard error."""
        said = ""
        for records in self.rounds():
            for record in records:
                take(record)
            if records:
                flush()
            if self.trouble != said:
                said = self.trouble
                typer.echo(said or "Kafka answers again", err=True)


def print_json(record: Record) -> None:
    """One line on standard output."""
    sys.stdout.write(json_line(record) + "\n")


def follow(watching: Watching, console: Console) -> None:
    """In a live table, until it is to stop."""
    board = Board()
    with Live(console=console, auto_refresh=False) as live:
        for records in watching.rounds():
            for record in records:
                board.add(record)
            title = f"{watching.topic}: {board.seen:,} classifications"
            if watching.strangers:
                title += f", {watching.strangers:,} other messages"
            if watching.trouble:
                title += f"; {watching.trouble}"
            live.update(board.table(title), refresh=True)


def follow_plainly(watching: Watching, console: Console) -> None:
    """A line each, until it is to stop."""
    print_line(console, f"waiting for classifications on {watching.topic}")
    said = ""
    for records in watching.rounds():
        for record in records:
            print_line(console, Row.of(record).line())
        if watching.trouble != said:
            said = watching.trouble
            print_line(console, said or "Kafka answers again")


def follow_object(settings: Settings, watching: Watching, console: Console) -> None:
    """One object's light curve, drawn again after each of its classifications."""
    store, name, last = connect_redis(settings), watching.wanted.object or "", None
    curve = stored_curve(store, name, settings.limits.max_observations)
    trouble = ""
    drawn: tuple[object, ...] = ()
    with Live(console=console, auto_refresh=False) as live:
        for records in watching.rounds():
            if records:
                last = records[-1]
                try:
                    curve, trouble = stored_curve(store, name, settings.limits.max_observations), ""
                except StartupError as error:
                    trouble = str(error)
            told = trouble or watching.trouble
            if drawn != (seen := (watching.taken, told, console.width)):
                drawn = seen
                live.update(drawing(name, curve, last, console.width, told), refresh=True)


def draw_once(
    settings: Settings, admin: AdminClient, console: Console, wanted: Selection, since_ms: int | None, source: Source
) -> None:
    """One object's light curve, and the last that was said of it up to now."""
    curve = stored_curve(connect_redis(settings), wanted.object or "", settings.limits.max_observations)
    last = None
    places = spans.partitions(admin, [source.topic])
    first = spans.oldest(admin, places) if since_ms is None else spans.at_time(admin, places, since_ms)
    ends = spans.newest(admin, places)
    schema = load(source.schema)
    kept = [spans.Span(*place, first[place], ends[place]) for place in places]
    for messages in spans.read(settings.kafka.consumer(), kept, AT_ONCE):
        for message in messages:
            record = decoded(message.value, schema, message.key, bare=source.bare)
            record = None if record is None else with_object(record, message.key)
            if record is not None and wanted.takes(record):
                last = record  # an object's are in order: it is their key
    console.print(drawing(wanted.object or "", curve, last, console.width), soft_wrap=True)


def print_line(console: Console, text: str) -> None:
    """A line, however long it is."""
    console.print(cell(text, longest=1_000), soft_wrap=True)
