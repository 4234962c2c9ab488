"""The latest anomalies, for pages that listen."""

import threading

from broker.web.index import Row

RECENT = 50  # that a page which listens is told of


class Recent:
    """The latest anomalies, numbered, for pages that listen; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._first = 0  # the number of the first row

    def add(self, rows: list[Row]) -> None:
        """Anomalies that have just come."""
        with self._lock:
            self._rows += rows
            gone = max(0, len(self._rows) - RECENT)
            self._rows, self._first = self._rows[gone:], self._first + gone

    def since(self, number: int) -> tuple[list[Row], int]:
        """The anomalies from a number on, oldest first, and the number to ask with the next time."""
        with self._lock:
            return self._rows[max(0, number - self._first) :], self._first + len(self._rows)
