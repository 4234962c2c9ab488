"""The pulse: what came in each second of the last hour, by class and survey, and how late it was.

Every classification is counted, also where the index keeps only some of them. A minute is a row of an array, so an hour
takes the same memory whatever comes.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from time import time

import numpy as np
from numpy.typing import NDArray

LATENCIES_S = np.geomspace(0.005, 120.0, 48)  # edges of the histogram
REMEMBERED_S = 3600


@dataclass(slots=True)
class Second:
    """What came in one second."""

    at: int  # [s since 1970]
    alerts: int = 0
    anomalies: int = 0
    classes: Counter[tuple[str, int]] = field(default_factory=Counter)  # survey and class
    latencies: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LATENCIES_S) + 1, np.int64))


class Pulse:
    """The last hour, a second each; safe to ask from another thread."""

    def __init__(self) -> None:
        self._seconds: deque[Second] = deque(maxlen=REMEMBERED_S)
        self._lock = threading.Lock()
        self.total = 0

    def beat(
        self, surveys: list[str], best: NDArray[np.int64], anomalies: int, latencies_s: NDArray[np.float64]
    ) -> None:
        """Take in what has just come: n classifications, with survey, best class and latency [n] each."""
        now = int(time())
        bins = np.bincount(np.searchsorted(LATENCIES_S, latencies_s), minlength=len(LATENCIES_S) + 1)
        with self._lock:
            if not self._seconds or self._seconds[-1].at != now:
                self._seconds.append(Second(now))
            second = self._seconds[-1]
            second.alerts += len(surveys)
            second.anomalies += anomalies
            second.classes.update(zip(surveys, best.tolist(), strict=True))
            second.latencies += bins
            self.total += len(surveys)

    def last(self, seconds: int) -> "Beats":
        """The sum of the last seconds, the present one left out."""
        now = int(time())
        with self._lock:
            some = [second for second in self._seconds if now - seconds <= second.at < now]
        classes: Counter[tuple[str, int]] = Counter()
        for second in some:
            classes.update(second.classes)
        latencies = sum((second.latencies for second in some), np.zeros(len(LATENCIES_S) + 1, np.int64))
        return Beats(seconds, sum(s.alerts for s in some), sum(s.anomalies for s in some), classes, latencies)

    def rates(self, seconds: int) -> list[int]:
        """Alerts in each of the last seconds, oldest first."""
        now = int(time())
        with self._lock:
            by_second = {second.at: second.alerts for second in self._seconds if second.at >= now - seconds}
        return [by_second.get(at, 0) for at in range(now - seconds, now)]


@dataclass(frozen=True, slots=True)
class Beats:
    """What came in some seconds."""

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
