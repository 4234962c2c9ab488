"""The roll call: what the census says, read in a thread; where its process ends, another is started after a while."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from time import time

import structlog

from broker.web.crew import Crew

log = structlog.get_logger(__name__)

CENSUS = (sys.executable, "-m", "broker.web.census")
AGAIN_S, LONGEST_S = 1.0, 30.0  # between two processes, at first and at most
OLD_S = 40.0  # a census that hangs says nothing: after so long what it said is called old


class RollCall:
    """Keeps what the census said last; safe to read from another thread.

    Args:
        command: the process that writes a crew a line.
        again_s: how long to wait before another is started, at first; twice as long each time that one says nothing.
    """

    def __init__(self, command: Sequence[str] = CENSUS, again_s: float = AGAIN_S) -> None:
        self._command = command
        self._again_s = again_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="roll call", daemon=True)
        self._crew = Crew()
        self._heard = time()

    @property
    def crew(self) -> Crew:
        """Who is there; with a trouble where nobody could say so for a while."""
        crew = self._crew
        if not crew.trouble and time() - self._heard > OLD_S:
            return replace(crew, trouble=f"Kafka has not said for {OLD_S:.0f} s who works")
        return crew

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, the process ended."""
        self._stop.set()
        with self._lock:
            if self._process:
                self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        pause_s = self._again_s
        while not self._stop.is_set():
            pause_s = self._again_s if self._listen() else min(LONGEST_S, 2 * pause_s)
            if not self._stop.is_set():
                self._crew = replace(self._crew, trouble="Kafka does not say who works: it is asked again")
                log.info("the census has ended and is started again", after_s=pause_s)
                self._stop.wait(pause_s)

    def _listen(self) -> bool:
        """Read one process to its end; whether it said anything."""
        with self._lock:
            if self._stop.is_set():
                return False
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        said = False
        with process:
            for line in process.stdout or ():
                crew = Crew.of(line)
                self._crew = replace(self._crew, trouble=crew.trouble) if crew.trouble else crew
                self._heard, said = time(), True
        return said
