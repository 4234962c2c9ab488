"""Classifications as people see them: in one line, and the last ones in a table."""

import math
from collections import OrderedDict
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from broker.commands.selection import best_of, name_of, object_of
from broker.commands.shown import cell
from broker.text import printable

ROWS = 20


class Row(NamedTuple):
    """What is shown of a classification; what a record does not have is left empty."""

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
        ranked = best_of(record)
        best, probability = (name_of(ranked[0][0]), ranked[0][1]) if ranked else ("nothing", math.nan)
        mjd = record.get("mjd")
        return cls(
            object=object_of(record),
            mjd="" if mjd is None else f"{mjd:.3f}",
            points=str(record.get("observations", "")),
            best=best,
            probability=probability,
            second=f"{name_of(ranked[1][0])} {ranked[1][1]:.2f}" if len(ranked) > 1 else "",
            score=record.get("anomalyScore", math.nan),
            anomaly=bool(record.get("anomaly")),
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
        row = Row.of(record)
        self._latest[row.object] = row
        self._latest.move_to_end(row.object)
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
