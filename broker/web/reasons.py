"""Reasons: why an answer was what it was, asked of a small process with a model, so that the page itself has none."""

import subprocess
import sys
import threading
from collections.abc import Sequence

from broker.text import printable
from broker.web.shapes import Answer, Why

WHY = (sys.executable, "-m", "broker.commands.main", "why")
PATIENCE_S = 30.0
SAME_DAYS = 1e-6  # what is no further apart is the same moment


class UnknownReason(Exception):  # noqa: N818 - it says what the asker is told
    """Why cannot be said now, and the reason for that as one sentence."""


class Reasons:
    """Asks one process at a time.

    Args:
        command: the process that explains; what it needs to know stands behind.
        patience_s: how long it may take.
    """

    def __init__(self, command: Sequence[str] = WHY, patience_s: float = PATIENCE_S) -> None:
        self._command = command
        self._patience_s = patience_s
        self._busy = threading.Lock()

    def of(self, said: Answer) -> Why:
        """Why this was said. Raises UnknownReason."""
        if not self._busy.acquire(blocking=False):
            raise UnknownReason("the model explains another answer; ask again in some seconds")
        try:
            name = f"{said.survey}/{said.object_id}"
            wanted = [f"--until={said.mjd + SAME_DAYS!r}", f"--version={said.model_version}", "--", name]
            done = subprocess.run(  # noqa: S603 - our own command; what stands behind -- is no option
                [*self._command, *wanted], capture_output=True, timeout=self._patience_s, check=False
            )
            if done.returncode:
                raise UnknownReason(printable(done.stderr.decode(errors="replace").strip()[-300:]))
            return Why.model_validate_json(done.stdout)
        except subprocess.TimeoutExpired:
            raise UnknownReason(f"the model has not answered within {self._patience_s:.0f} s") from None
        except (OSError, ValueError) as error:  # such as a name with a NUL, or an answer that is none
            raise UnknownReason(printable(f"the model cannot be asked: {error}")) from None
        finally:
            self._busy.release()
