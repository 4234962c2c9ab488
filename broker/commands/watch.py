"""A live table of classifications, for a terminal."""

from collections import OrderedDict
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from broker.config import Settings
from broker.kafka.subscription import Subscription
from model.taxonomy import CLASS_NAMES

ROWS = 20


class Board:
    """The last objects that were classified, newest first."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._latest: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.seen = 0

    def add(self, record: dict[str, Any]) -> None:
        """Take a classification in."""
        self.seen += 1
        self._latest[record["objectId"]] = record
        self._latest.move_to_end(record["objectId"])
        while len(self._latest) > self._rows:
            self._latest.popitem(last=False)

    def table(self, title: str = "") -> Table:
        """As rich draws it."""
        table = Table(title=title, title_justify="left", expand=False)
        for name in ("object", "MJD", "points", "class", "probability", "second", "anomaly"):
            table.add_column(name, justify="right" if name in ("MJD", "points", "probability", "anomaly") else "left")
        for record in reversed(self._latest.values()):
            ranked = sorted(record["classifications"], key=lambda c: -c["probability"])
            best, second = ranked[0], ranked[1]
            table.add_row(
                record["objectId"],
                f"{record['mjd']:.3f}",
                str(record["observations"]),
                CLASS_NAMES[best["classId"]],
                f"{best['probability']:.2f} {'█' * round(10 * best['probability']):<10}",
                f"{CLASS_NAMES[second['classId']]} {second['probability']:.2f}",
                f"[bold red]{record['anomalyScore']:.2f} ![/]"
                if record["anomaly"]
                else f"{record['anomalyScore']:.2f}",
            )
        return table


def watch(settings: Settings, console: Console, *, start: str = "latest") -> None:
    """Show classifications as they are committed, until Ctrl-C."""
    topic = settings.outputs.classifications
    subscription = Subscription(settings.kafka.client(), {topic: "classification"}, start)
    board = Board()
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                for published in subscription.poll(1000, 0.25):
                    board.add(published.record)
                live.update(board.table(f"{topic}: {board.seen:,} classifications"), refresh=True)
        except KeyboardInterrupt:
            pass
        finally:
            subscription.close()
