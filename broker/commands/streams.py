"""The three standard streams, made fit for whatever the shell gave: closed, full, broken, or of another encoding."""

import contextlib
import io
import os
import sys

from broker.logs import STDERR


def mend() -> None:
    """Called once, before anything is opened: nobody's file or socket may take the place of a closed stream.

    What cannot be written to standard error is dropped; what standard output cannot encode is escaped.
    """
    # Standard error is opened for reading: what would be written there is then counted as dropped.
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - for the process's whole life
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - likewise
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    sys.stderr = io.TextIOWrapper(STDERR, encoding, errors="backslashreplace", line_buffering=True)


def flush_stdout() -> None:
    """Write what is buffered. Raises OSError, and leaves nothing behind that would fail again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
        raise


def abandon_stdout() -> None:
    """Write to nowhere from now on: the reader is gone, or the disk is full."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
