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

LAYOUT = 5  # of the tables and what is in them; a file of another layout is begun anew
OURS = int.from_bytes(b"misw")  # tells our files from those of other programs
MOST_ANSWERS = 5_000_000  # some 250 bytes each
CUT_AT_ONCE = 20_000

TABLES = """
CREATE TABLE answers (
  id INTEGER PRIMARY KEY,
  survey TEXT NOT NULL, object TEXT NOT NULL, alert INTEGER NOT NULL,
  mjd REAL NOT NULL, observations INTEGER NOT NULL,
  best INTEGER NOT NULL, probability REAL NOT NULL, probabilities BLOB NOT NULL,
  p99 REAL NOT NULL, score REAL NOT NULL, threshold REAL, anomaly INTEGER NOT NULL,
  nearest TEXT, reasons TEXT NOT NULL, photoz REAL, quality TEXT NOT NULL,
  priors TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
  read_ms INTEGER NOT NULL, published_ms INTEGER NOT NULL,
  source_topic TEXT NOT NULL, source_partition INTEGER NOT NULL, source_offset INTEGER NOT NULL,
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL
);
CREATE INDEX answers_of_object ON answers (survey, object, mjd, id);
CREATE INDEX answers_of_alert ON answers (alert);
CREATE INDEX anomalous_answers ON answers (id) WHERE anomaly;
CREATE TABLE objects (
  survey TEXT NOT NULL, object TEXT NOT NULL,
  ra REAL, dec REAL, pixel INTEGER,
  first_mjd REAL NOT NULL, mjd REAL NOT NULL, alerts INTEGER NOT NULL, observations INTEGER NOT NULL,
  best INTEGER NOT NULL, probability REAL NOT NULL, score REAL NOT NULL, anomaly INTEGER NOT NULL,
  answer INTEGER NOT NULL,
  flagged INTEGER NOT NULL, flagged_answer INTEGER, highest REAL,
  PRIMARY KEY (survey, object)
) WITHOUT ROWID;
CREATE INDEX objects_by_time ON objects (answer, probability);
CREATE INDEX objects_by_name ON objects (object);
CREATE INDEX objects_by_class ON objects (best, answer, probability);
CREATE INDEX objects_by_place ON objects (pixel, ra, dec) WHERE pixel IS NOT NULL;
CREATE INDEX objects_by_flag ON objects (flagged_answer) WHERE flagged_answer IS NOT NULL;
CREATE TABLE nights (night TEXT NOT NULL, topic TEXT NOT NULL, messages INTEGER NOT NULL, PRIMARY KEY (night, topic));
CREATE TABLE places (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
);
"""

UPSERT = """
INSERT INTO objects VALUES (:survey, :object, :ra, :dec, :pixel, :mjd, :mjd, 1, :observations,
                            :best, :probability, :score, :anomaly, :id,
                            :anomaly, CASE WHEN :anomaly THEN :id END, CASE WHEN :anomaly THEN :score END)
ON CONFLICT (survey, object) DO UPDATE SET
  ra = coalesce(excluded.ra, ra), dec = coalesce(excluded.dec, dec), pixel = coalesce(excluded.pixel, pixel),
  first_mjd = min(first_mjd, excluded.mjd), mjd = max(mjd, excluded.mjd), alerts = alerts + 1,
  observations = excluded.observations, best = excluded.best, probability = excluded.probability,
  score = excluded.score, anomaly = excluded.anomaly, answer = excluded.answer,
  flagged = flagged + excluded.flagged, flagged_answer = coalesce(excluded.flagged_answer, flagged_answer),
  highest = max(coalesce(highest, excluded.highest), coalesce(excluded.highest, highest))
"""

Row = dict[str, Any]


class Batch(NamedTuple):
    """What was read at once, and is written at once."""

    answers: Sequence[Row]  # the columns of `answers` but id, with ra, dec, pixel of the object
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
        self._writer.executescript(f"{TABLES} PRAGMA application_id = {OURS}; PRAGMA user_version = {LAYOUT};")

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
            last = write.execute("SELECT coalesce(max(id), 0) FROM answers").fetchone()[0]
            rows = [row | {"id": last + 1 + i} for i, row in enumerate(batch.answers)]
            write.executemany(INSERT, rows)
            write.executemany(UPSERT, rows)
            write.executemany(
                "INSERT INTO nights VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages",
                [(*key, count) for key, count in batch.nights.items()],
            )
            write.executemany(
                "INSERT INTO places VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
                [(*key, at) for key, at in batch.places.items()],
            )
            self._cut(last + len(rows))
            write.execute("COMMIT")
        except BaseException:
            write.execute("ROLLBACK")
            raise

    def _cut(self, last: int) -> None:
        """Forget the oldest answers, some at a time, and the objects that have none left."""
        first = self._writer.execute("SELECT coalesce(min(id), 0) FROM answers").fetchone()[0]
        if last - first + 1 > self._most:
            until = min(last - self._most, first + CUT_AT_ONCE)
            self._writer.execute("DELETE FROM answers WHERE id <= ?", (until,))
            self._writer.execute("DELETE FROM objects WHERE answer <= ?", (until,))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that can only read, for the thread that asks."""
        with closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)) as connection:
            connection.row_factory = named
            yield connection


ANSWER_COLUMNS = (
    "survey", "object", "alert", "mjd", "observations", "best", "probability", "probabilities", "p99", "score",
    "threshold", "anomaly", "nearest", "reasons", "photoz", "quality", "priors", "model", "version", "read_ms",
    "published_ms", "source_topic", "source_partition", "source_offset", "topic", "partition", "offset",
)  # fmt: skip
MARKS = ", ".join(f":{name}" for name in ANSWER_COLUMNS)
INSERT = f"INSERT INTO answers VALUES (:id, {MARKS})"  # noqa: S608 - names of our own


def named(cursor: sqlite3.Cursor, row: Iterable[Any]) -> Row:
    """A row by the names of its columns."""
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
