"""Risers: which of the objects that were seen last brighten fastest."""

import threading
from time import monotonic
from typing import NamedTuple

from broker.errors import TransientError
from broker.web import queries
from broker.web.cursors import Page, after, page
from broker.web.index import Index
from broker.web.lightcurve import LightCurves, rise_sigma
from broker.web.queries import Filters
from broker.web.shapes import Summary
from broker.web.views import summary

LOOKED_AT = 300
POINTS = 200  # the newest of each object
EVERY_S = 10.0  # asked more often, the last answer is given again


class Rising(NamedTuple):
    """Objects with their rise [standard errors a day], the fastest first; or why there are none."""

    risers: list[tuple[Summary, float]]
    trouble: str

    def page(self, cursor: str | None, limit: int) -> Page:
        """A part of them, each with `summary` and `sigma_a_day`. Raises ValueError for a cursor that is none."""
        last = after(cursor, float, str, str)
        rows = [
            {"summary": one, "sigma_a_day": speed, "survey": one.survey, "object": one.object_id}
            for one, speed in self.risers
            if last is None or order(one, speed) > (-last[0], last[1], last[2])
        ]
        return page(rows, limit, "sigma_a_day", "survey", "object")


def order(one: Summary, speed: float) -> tuple[float, str, str]:
    """The fastest first; of those that are as fast, by their names."""
    return -speed, one.survey, one.object_id


class Risers:
    """Looks at light curves now and then, however often it is asked; safe to ask from several threads."""

    def __init__(self, index: Index, curves: LightCurves) -> None:
        self._index = index
        self._curves = curves
        self._lock = threading.Lock()
        self._found = Rising([], "")
        self._looked = -EVERY_S

    def found(self) -> Rising:
        """The fastest."""
        with self._lock:
            if monotonic() - self._looked >= EVERY_S:
                self._found = self._look()
                self._looked = monotonic()
            return self._found

    def _look(self) -> Rising:
        with self._index.reading() as index:
            rows = queries.newest(index, Filters(), None, LOOKED_AT).rows
        names = [f"{row['survey']}/{row['object']}" for row in rows]
        try:
            curves = self._curves.of(names, POINTS) if names else []
        except TransientError as error:
            return Rising([], str(error))
        rising = [(summary(row), speed) for row, c in zip(rows, curves, strict=True) if (speed := rise_sigma(c)) > 0]
        return Rising(sorted(rising, key=lambda one: order(*one)), "")
