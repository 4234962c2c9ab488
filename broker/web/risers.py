"""Risers: which of the objects that were seen last brighten fastest."""

import threading
from time import monotonic
from typing import NamedTuple

from broker.errors import TransientError
from broker.web import queries
from broker.web.index import Index
from broker.web.lightcurve import LightCurves, rise_sigma
from broker.web.queries import Filters
from broker.web.shapes import Summary
from broker.web.views import summary

LOOKED_AT, SHOWN = 300, 30
POINTS = 200  # the newest of each object
EVERY_S = 10.0  # asked more often, the last answer is given again


class Rising(NamedTuple):
    """Objects with their rise [standard errors a day], the fastest first; or why there are none."""

    risers: list[tuple[Summary, float]]
    trouble: str


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
        speeds = sorted(((rise_sigma(c), i) for i, c in enumerate(curves)), reverse=True)[:SHOWN]
        return Rising([(summary(rows[i]), speed) for speed, i in speeds if speed > 0], "")
