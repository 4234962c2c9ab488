"""Structured logs on standard error: coloured lines for people, one JSON object a line for machines.

A log serves the service and never ends it: a line that cannot be written, since the disk is full or nobody holds the
other end of the pipe, is dropped and counted. What alerts and servers say is escaped in both forms.
"""

import io
import logging
import os
from collections.abc import Mapping
from threading import Lock
from typing import Any

import structlog

from broker.text import printable, printable_lines

LONGEST_VALUE = 2_000  # characters of one value; an error of Kafka may have some hundreds


class Forgiving(io.RawIOBase):
    """Writes straight to a file descriptor, for a buffer would keep what could not be written; counts what is lost.

    Args:
        descriptor: of the file; it is not closed.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._whole = Lock()  # a long line is written in parts
        self.dropped = 0  # writes of which something is lost: lines of the log, mostly

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer, as io has it
        """Write all of it, or count it where that is not possible."""
        left = memoryview(data).cast("B")
        nbytes = len(left)
        with self._whole:
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                self.dropped += 1
        return nbytes

    def close(self) -> None:
        """Nothing: a wrapper that is collected closes what it wraps, and the process logs to its end."""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return os.isatty(self._descriptor)


STDERR = Forgiving(2)  # one for the process, so that its count is the whole count


class Lines:
    """A logger of structlog's, whose lines go to standard error."""

    def msg(self, line: str) -> None:
        """Write a line."""
        STDERR.write(f"{line}\n".encode(errors="backslashreplace"))

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


def configure(level: str, form: str) -> None:
    """Set up structlog for the process.

    Args:
        level: debug, info, warning or error.
        form: console or json.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=STDERR.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.set_exc_info,
            structlog.processors.format_exc_info,  # text alone: the prettier ones print local variables, secrets too
            legible,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: Lines(),
        cache_logger_on_first_use=True,
    )


def legible(_: object, __: str, event: structlog.typing.EventDict) -> Mapping[str, Any]:
    """Escape every text of an event. A traceback keeps its lines, set in, so that none passes for one of the log."""
    traceback = event.pop("exception", None)
    shown = {printable(name): escaped(value) for name, value in event.items()}
    if traceback is not None:
        shown["exception"] = printable_lines(traceback, LONGEST_VALUE).replace("\n", "\n  ")
    return shown


def escaped(value: Any) -> Any:  # noqa: ANN401 - whatever is logged
    """A value with its texts escaped, those in lists and dicts too."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return printable(value, LONGEST_VALUE)
        case Mapping():
            return {printable(str(name)): escaped(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [escaped(one) for one in value]
        case _:
            return printable(str(value) if isinstance(value, BaseException) else repr(value), LONGEST_VALUE)
