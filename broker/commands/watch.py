"""Classifications as they are committed: a live table for a terminal, plain lines for everything else."""

import math
import signal
import threading
from collections import OrderedDict
from typing import Annotated, Any, NamedTuple

import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from broker.commands.shown import cell
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.subscription import Subscription
from broker.text import printable
from model.taxonomy import CLASS_NAMES

ROWS = 20


class Row(NamedTuple):
    """What is shown of a classification."""

    object: str
    mjd: str
    points: str
    best: str
    probability: float
    second: str
    score: float
    anomaly: bool

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Row":
        """Of a published record."""
        ranked = sorted(record["classifications"], key=lambda c: -c["probability"])
        named = [(CLASS_NAMES.get(c["classId"], str(c["classId"])), c["probability"]) for c in ranked]
        (best, probability), *others = named or [("nothing", math.nan)]
        return cls(
            object=record["objectId"],
            mjd=f"{record['mjd']:.3f}",
            points=str(record["observations"]),
            best=best,
            probability=probability,
            second=" ".join((others[0][0], f"{others[0][1]:.2f}")) if others else "",
            score=record["anomalyScore"],
            anomaly=record["anomaly"],
        )

    def cells(self) -> tuple[Text, ...]:
        """For a table."""
        p = self.probability
        bar = "█" * round(10 * p) if 0 <= p <= 1 else ""
        score = Text(f"{self.score:.2f} !", style="bold red") if self.anomaly else Text(f"{self.score:.2f}")
        texts = (self.object, self.mjd, self.points, self.best, f"{p:.2f} {bar:<10}", self.second)
        return (*map(cell, texts), score)

    def line(self) -> str:
        """Without a table."""
        flag = " !" if self.anomaly else ""
        texts = (self.object, self.mjd, self.points, self.best, f"{self.probability:.2f}", self.second)
        return "  ".join(map(printable, (*texts, f"{self.score:.2f}{flag}")))


class Board:
    """The last objects that were classified, newest first."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._latest: OrderedDict[str, Row] = OrderedDict()
        self.seen = 0

    def add(self, record: dict[str, Any]) -> Row:
        """Take a classification in; how it is shown."""
        self.seen += 1
        row = self._latest[record["objectId"]] = Row.of(record)
        self._latest.move_to_end(record["objectId"])
        while len(self._latest) > self._rows:
            self._latest.popitem(last=False)
        return row

    def table(self, title: str = "") -> Table:
        """As rich draws it."""
        table = Table(title=cell(title, style="table.title", longest=1_000), title_justify="left", expand=False)
        for name in ("object", "MJD", "points", "class", "probability", "second", "anomaly"):
            table.add_column(name, justify="right" if name in ("MJD", "points", "probability", "anomaly") else "left")
        for row in reversed(self._latest.values()):
            table.add_row(*row.cells())
        return table


def watch(
    *,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest classification kept.")
    ] = False,
) -> None:
    """Show classifications as they are committed, in a live table. Ctrl-C ends it.

    Where there is no terminal for a table (a pipe, TERM=dumb), a line each.

    Example: MISWEEPER_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 misweeper watch
    """
    settings = Settings.load()
    admin = connect_kafka(settings)
    topic = settings.outputs.classifications
    spans.partitions(admin, [topic])  # says so where there is none
    start = "earliest" if from_start else "latest"
    subscription = Subscription(settings.kafka.client(), {topic: "classification"}, start)
    console = Console()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # An exception would be lost where it comes while Kafka's client calls back.
        signal.signal(number, lambda *_: stop.set())
    try:
        live = console.is_terminal and not console.is_dumb_terminal
        (follow if live else follow_plainly)(subscription, topic, console, stop)
    except KafkaException as error:
        why = error.args[0].str()
        raise StartupError(f"{topic} cannot be read ({why}); look at the rights of this user") from error
    finally:
        subscription.close()


def follow(subscription: Subscription, topic: str, console: Console, stop: threading.Event) -> None:
    """In a live table, until it is to stop."""
    board = Board()
    with Live(console=console, auto_refresh=False) as live:
        while not stop.is_set():
            for published in subscription.poll(1000, 0.25):
                board.add(published.record)
            title = f"{topic}: {board.seen:,} classifications"
            if subscription.strangers:
                title += f", {subscription.strangers:,} other messages"
            if subscription.trouble:
                title += f"; {subscription.trouble}"
            live.update(board.table(title), refresh=True)


def follow_plainly(subscription: Subscription, topic: str, console: Console, stop: threading.Event) -> None:
    """A line each, until it is to stop."""
    print_line(console, f"waiting for classifications on {topic}")
    said = ""
    while not stop.is_set():
        for published in subscription.poll(1000, 0.25):
            print_line(console, Row.of(published.record).line())
        if subscription.trouble != said and (said := subscription.trouble):
            print_line(console, said)


def print_line(console: Console, text: str) -> None:
    """A line, however long it is."""
    console.print(cell(text, longest=1_000), soft_wrap=True)
