"""The index: what the classification topics said, as tables that a page can search.

It is a cache of the topics, bounded, and rebuilt from them at will. Nothing but the feed writes to it, and where the
feed goes on in each partition is written in the same transaction as what was read.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from broker.web.tables import FORGET, LAYOUT, SAY, SAYING, TABLES

OURS = int.from_bytes(b"misw")  # tells our files from those of other programs
MOST_ANSWERS = 5_000_000  # some 400 bytes each, with the indexes
CUT_AT_ONCE = 20_000

Row = dict[str, Any]


class Batch(NamedTuple):
    """What was read at once, and is written at once."""

    said: Sequence[tuple[Any, ...]]  # the columns of `said`, oldest first
    nights: Mapping[tuple[str, str], int]  # night and topic: messages
    places: Mapping[tuple[str, int], int]  # topic and partition: the offset to go on at


class Index:
    """The tables, in a file; one writer, any number of readers.

    Args:
        path: of the file; its folder exists.
        most_answers: kept; the oldest go.

    Raises sqlite3.Error where the file is no database, or another program's.
    """

    def __init__(self, path: Path, most_answers: int = MOST_ANSWERS) -> None:
        self.path = path
        self._most = most_answers
        self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        if self._layout() != LAYOUT:
            self._begin_anew()
        self._writer.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;")

    def _layout(self) -> int:
        """The layout of the file's tables, 0 where it has none. Raises sqlite3.DatabaseError where it is not ours."""
        (tables,), (whose,), (layout,) = (
            self._writer.execute(question).fetchone()
            for question in ("SELECT count(*) FROM sqlite_schema", "PRAGMA application_id", "PRAGMA user_version")
        )
        if tables and whose != OURS:
            self._writer.close()
            raise sqlite3.DatabaseError("it is another program's database")
        return int(layout)

    def _begin_anew(self) -> None:
        self._writer.close()
        for name in (self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
        self._writer = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._writer.executescript(f"{TABLES} {SAYING} PRAGMA application_id = {OURS}; PRAGMA user_version = {LAYOUT};")

    def close(self) -> None:
        """Give the file back."""
        self._writer.close()

    def places(self) -> dict[tuple[str, int], int]:
        """Where the feed goes on."""
        return {(topic, partition): at for topic, partition, at in self._writer.execute("SELECT * FROM places")}

    def write(self, batch: Batch) -> None:
        """Take in what was read, all or nothing."""
        write = self._writer
        write.execute("BEGIN IMMEDIATE")
        try:
            write.executemany(SAY, batch.said)
            write.executemany(
                "INSERT INTO nights VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
                [(*key, count) for key, count in batch.nights.items()],
            )
            write.executemany(
                "INSERT INTO places VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(*key, at) for key, at in batch.places.items()],
            )
            self._cut()
            write.execute("COMMIT")
        except BaseException:
            write.execute("ROLLBACK")
            raise

    def _cut(self) -> None:
        """Forget the oldest answers, some at a time, and the objects that have none left."""
        ends = "SELECT (SELECT min(id) FROM answers), (SELECT max(id) FROM answers)"
        first, last = self._writer.execute(ends).fetchone()
        if last and last - first + 1 > self._most:
            until = min(last - self._most, first + CUT_AT_ONCE)
            self._writer.execute(FORGET, (until,))
            self._writer.execute("DELETE FROM answers WHERE id <= ?", (until,))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that can only read, for the thread that asks."""
        with closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)) as connection:
            connection.row_factory = named
            yield connection


def named(cursor: sqlite3.Cursor, row: Iterable[Any]) -> Row:
    """A row by the names of its columns."""
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
