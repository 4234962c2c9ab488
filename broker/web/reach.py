"""Reach: whether the light curves can be read now, asked of the store every few seconds in a thread.

The live page has no need of light curves, and so would never learn that Redis is away.
"""

import threading

from broker.errors import TransientError
from broker.web.lightcurve import LightCurves

ASK_EVERY_S = 2.0


class Reach:
    """Asks until it is stopped; safe to read from another thread.

    Args:
        curves: what is asked.
        every_s: how long it waits between two questions.
    """

    def __init__(self, curves: LightCurves, every_s: float = ASK_EVERY_S) -> None:
        self._curves = curves
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reach", daemon=True)
        self.trouble = ""  # why light curves cannot be read; "" where they can

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that waits for its answer is left alone."""
        self._stop.set()

    def ask(self) -> None:
        """Ask once."""
        try:
            self._curves.ping()
            self.trouble = ""
        except TransientError as error:
            self.trouble = f"no light curves: {error}"

    def _run(self) -> None:
        while not self._stop.is_set():
            self.ask()
            self._stop.wait(self._every_s)
