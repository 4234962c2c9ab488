"""The pulse: what was published in each second of the last hour, by class and survey, and how late it was.

Every classification is counted, also where the index keeps only some of them. It counts in the second when it was
published, not when it was read: what a page that starts, or was cut off, reads of long ago is none of the last hour's.
A second has a few counters, so an hour takes the same memory whatever comes. So has a minute, the sum of its seconds:
the page asks each second for the last hour, and 3,600 seconds took longer to add than all else that it says.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time

import numpy as np
from numpy.typing import NDArray

LATENCIES_S = np.geomspace(0.005, 120.0, 48)  # edges of the histogram
REMEMBERED_S = 3600
MINUTE_S = 60
STILL_COMING_S = 2  # what was published in the last seconds may not have been read yet: rates are of those before


@dataclass(slots=True)
class Counts:
    """What was published in one second, or in some."""

    alerts: int = 0
    anomalies: int = 0
    classes: Counter[tuple[str, int]] = field(default_factory=Counter)  # survey and class
    latencies: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LATENCIES_S) + 1, np.int64))

    def add(self, other: "Counts") -> None:
        """Count what another has counted."""
        self.alerts += other.alerts
        self.anomalies += other.anomalies
        self.classes.update(other.classes)
        self.latencies += other.latencies


class Pulse:
    """The last hour, a second each; safe to ask from another thread."""

    def __init__(self) -> None:
        self._seconds: dict[int, Counts] = {}  # by time [s since 1970]
        self._minutes: dict[int, Counts] = {}  # by the time when they begin [s since 1970]
        self._since = 0  # the first second that is remembered [s since 1970]
        self._lock = threading.Lock()
        self.total = 0  # whenever it was published

    def beat(
        self,
        surveys: Sequence[str],
        best: NDArray[np.int64],
        anomaly: NDArray[np.bool_],
        latencies_s: NDArray[np.float64],
        published_s: NDArray[np.int64],
    ) -> None:
        """Take in what has been read: n classifications, with survey, best class, flag, latency and time [n] each.

        A time [s since 1970] that is still to come, of a clock that is ahead, counts as now.
        """
        now = int(time())
        at = np.minimum(published_s, now)
        bins = np.searchsorted(LATENCIES_S, latencies_s)
        with self._lock:
            self.total += len(surveys)
            for when in np.unique(at[at > now - REMEMBERED_S]).tolist():
                which = np.flatnonzero(at == when)
                counted = Counts(
                    len(which),
                    int(anomaly[which].sum()),
                    Counter((surveys[i], int(best[i])) for i in which.tolist()),
                    np.bincount(bins[which], minlength=len(LATENCIES_S) + 1),
                )
                self._seconds.setdefault(when, Counts()).add(counted)
                self._minutes.setdefault(when - when % MINUTE_S, Counts()).add(counted)
            self._since = now - REMEMBERED_S + 1
            for kept, length in ((self._seconds, 1), (self._minutes, MINUTE_S)):
                for when in [when for when in kept if when + length <= self._since]:
                    del kept[when]

    def last(self, seconds: int) -> "Beats":
        """The sum of some seconds, the latest that are whole."""
        until = int(time()) - STILL_COMING_S
        found = Counts()
        with self._lock:
            at = max(until - seconds, self._since)
            while at < until:
                whole = at % MINUTE_S == 0 and at + MINUTE_S <= until
                if counted := (self._minutes if whole else self._seconds).get(at):
                    found.add(counted)
                at += MINUTE_S if whole else 1
        return Beats(seconds, found.alerts, found.anomalies, found.classes, found.latencies)

    def rates(self, seconds: int) -> list[int]:
        """Alerts in each of the last seconds, oldest first; the last of them are still coming."""
        now = int(time())
        with self._lock:
            return [self._seconds[at].alerts if at in self._seconds else 0 for at in range(now - seconds, now)]


@dataclass(frozen=True, slots=True)
class Beats:
    """What was published in some seconds."""

    seconds: int
    alerts: int
    anomalies: int
    classes: Counter[tuple[str, int]]
    latencies: NDArray[np.int64]

    @property
    def rate(self) -> float:
        """Alerts a second."""
        return self.alerts / self.seconds

    def latency_s(self, share: float) -> float | None:
        """The latency that this share of the alerts stayed below, to a tenth; None where none came."""
        total = int(self.latencies.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self.latencies), share * total))
        return float(LATENCIES_S[min(place, len(LATENCIES_S) - 1)])
