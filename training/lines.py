"""A CSV file's bytes, looked at as they pass: a row that is cut off and a quote left open are named by their line.

pandas fills up a row that is too short with nothing, which would here mean "unknown"; and it takes all that follows an
open quote, to the next one or to the end of the file, as one value.
"""

import csv
import io
from typing import IO

import numpy as np

BLOCK_BYTES = 1 << 16
LONGEST = 1 << 20  # bytes of a line
NEWLINE, COMMA, QUOTE = b'\n,"'


class RowError(ValueError):
    """A line is no row; the message begins with its number and says what to do."""


class CheckedLines(io.RawIOBase):
    """The bytes of a CSV file from its header on, every line ended by a newline alone.

    Args:
        file: at its beginning.

    Raises:
        RowError: when it reads a line that has fewer fields than the header, leaves a quote open or is endless.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ready = b""  # of whole lines
        self._rest = b""  # of a line whose end has not been read
        self._fields = 0  # of the header; 0 before it
        self.blank = 0  # lines before the header
        self._number = 0  # of lines that have been checked

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; 0 at the end."""
        while not self._ready:
            block = self._file.read(BLOCK_BYTES)
            whole = self._rest + block + (b"" if block else b"\n")
            if not block and not self._rest:
                return 0
            if block and whole.endswith(b"\r"):  # its newline may follow
                held, whole = b"\r", whole[:-1]
            else:
                held = b""
            if b"\r" in whole:
                whole = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            end = whole.rfind(b"\n") + 1
            self._ready, self._rest = self._checked(whole[:end]), whole[end:] + held
            if len(self._rest) > LONGEST:
                raise RowError(f"line {self._number + 1} is longer than {LONGEST} bytes; export the file again")
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _checked(self, lines: bytes) -> bytes:
        """The same whole lines, without the blank ones before the header."""
        while not self._fields and lines:
            head, _, after = lines.partition(b"\n")
            if not head.strip(b"\xef\xbb\xbf \t"):
                lines, self.blank, self._number = after, self.blank + 1, self._number + 1
                continue
            if head.count(b'"') % 2:
                raise unclosed(self._number + 1)
            names = fields(head)
            self._fields = max(len(names) - [bool(n.strip()) for n in reversed(names)].index(True), 1)
        values = np.frombuffer(lines, np.uint8)
        ends = np.flatnonzero(values == NEWLINE)
        commas, quotes = (
            np.diff(np.searchsorted(np.flatnonzero(values == mark), ends), prepend=0) for mark in (COMMA, QUOTE)
        )
        for i in np.flatnonzero((commas + 1 < self._fields) | (quotes > 0)).tolist():
            line = lines[ends[i - 1] + 1 if i else 0 : ends[i]]
            if quotes[i] % 2:
                raise unclosed(self._number + i + 1)
            if line.strip() and (found := len(fields(line))) < self._fields:
                raise RowError(
                    f"line {self._number + i + 1} has {found} of {self._fields} fields; "
                    "mend the row, or fetch the file again if it ends there"
                )
        self._number += len(ends)
        return lines


def fields(line: bytes) -> list[str]:
    """The fields of a line whose quotes are closed."""
    return next(csv.reader([line.decode("utf-8", "replace")]), [""])


def unclosed(number: int) -> RowError:
    """What to say of an open quote."""
    return RowError(f'line {number} opens a quote (") that it does not close; close it, or remove it')
