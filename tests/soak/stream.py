"""Sends alerts for long: each object in turn, again and again, never far ahead of what is committed."""

import threading

import numpy as np

from tests.benchmark.serving import Serving
from tests.benchmark.stars import key, packets

FAMILY = "s"
AT_ONCE = 5_000  # alerts
AHEAD = 100_000  # of what is committed; so an alert's object has been answered long ago when its next one comes
SPREAD = 7_919  # objects between two alerts; it divides no round number of objects


class Stream(threading.Thread):
    """Alert n is of object (n * SPREAD) mod objects, on day n // objects.

    Args:
        service: takes them.
        objects: that there are.
        alerts: to send, unless it is stopped before.
    """

    def __init__(self, service: Serving, objects: int, alerts: int) -> None:
        super().__init__(name="stream", daemon=True)
        self._service, self._objects, self._alerts = service, objects, alerts
        self.stopped = threading.Event()

    @property
    def observed(self) -> int:
        """Objects of which an alert was sent."""
        return min(self._service.sent, self._objects)

    def run(self) -> None:
        """Until all is sent, or it is stopped."""
        while self._service.sent < self._alerts and not self.stopped.is_set():
            if self._service.sent - self._service.committed() > AHEAD:
                self.stopped.wait(0.2)
                continue
            first = self._service.sent
            day = first // self._objects
            last = min(first + AT_ONCE, self._alerts, (day + 1) * self._objects)
            names = (np.arange(first, last) * SPREAD % self._objects).tolist()
            self._service.send(packets(FAMILY, names, day, first + 1), [key(FAMILY, name) for name in names])
