"""What can be asked of the index: an object, lists of objects, cones, a night's counts. Every list has pages.

A page of a list ends with a cursor, the place after which the next one begins; cursors stay right while rows are added.
"""

import sqlite3
from typing import NamedTuple

from broker.web.cones import around, rows_of
from broker.web.cursors import Page, after, page, whole
from broker.web.index import Row

PAGE, LONGEST_PAGE = 50, 500
MOST_ANSWERS = 2_000  # of one object
OBJECT = "survey, object, ra, dec, first_mjd, mjd, alerts, observations, best, probability, score, anomaly, answer"


class Filters(NamedTuple):
    """What objects are wanted; None is any."""

    survey: str | None = None
    best: int | None = None
    probability: float = 0.0  # at least


def object_of(index: sqlite3.Connection, survey: str, name: str) -> Row | None:
    """An object."""
    query = f"SELECT {OBJECT} FROM objects WHERE survey = ? AND object = ?"  # noqa: S608 - names of our own
    found: Row | None = index.execute(query, (survey, name)).fetchone()
    return found


def named(index: sqlite3.Connection, text: str, cursor: str | None = None, limit: int = PAGE) -> Page:
    """Objects of any survey whose id is a text, or survey/id; then those whose ids begin with it.

    Raises ValueError for a cursor that is none, as the others here.
    """
    last = after(cursor, str, str)
    survey, slash, name = text.partition("/")
    if slash and (found := object_of(index, survey, name)):
        return Page([found], None)
    behind = "AND (object, survey) > (?, ?)" if last else ""
    query = f"SELECT {OBJECT} FROM objects WHERE object >= ? AND object < ? {behind} ORDER BY object, survey LIMIT ?"  # noqa: S608
    rows = index.execute(query, (text, text + "\U0010ffff", *(last or ()), limit + 1)).fetchall()
    return page(rows, limit, "object", "survey")


def of_id(index: sqlite3.Connection, text: str, cursor: str | None = None, limit: int = PAGE) -> Page:
    """Objects of any survey whose id is a text, or the one that survey/id names."""
    last = after(cursor, str, str)
    survey, slash, name = text.partition("/")
    if slash and (found := object_of(index, survey, name)):
        return Page([found], None)
    behind = "AND survey > ?" if last else ""
    query = f"SELECT {OBJECT} FROM objects WHERE object = ? {behind} ORDER BY survey LIMIT ?"  # noqa: S608
    rows = index.execute(query, (text, *(last or ())[1:], limit + 1)).fetchall()
    return page(rows, limit, "object", "survey")


def of_alert(index: sqlite3.Connection, number: int, cursor: str | None = None, limit: int = PAGE) -> Page:
    """Objects that an alert of a number belongs to, mostly one of each survey at most."""
    last = after(cursor, str, str)
    behind = "AND (object, survey) > (?, ?)" if last else ""
    query = f"SELECT DISTINCT survey, object FROM answers WHERE alert = ? {behind} ORDER BY object, survey LIMIT ?"  # noqa: S608
    found = page(index.execute(query, (number, *(last or ()), limit + 1)).fetchall(), limit, "object", "survey")
    return found._replace(rows=rows_of(index, OBJECT, found.rows))


def within(
    index: sqlite3.Connection,
    ra_deg: float,
    dec_deg: float,
    radius_deg: float,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page:
    """Objects within a cone, the nearest first, each with `separation_deg`. Raises ValueError as `around` does."""
    found = around(index, ra_deg, dec_deg, radius_deg, cursor, limit)
    return found._replace(rows=rows_of(index, OBJECT, found.rows))


def newest(index: sqlite3.Connection, wanted: Filters, cursor: str | None, limit: int) -> Page:
    """Objects by their latest answer, the newest first. Which answers are wanted is read from an index alone."""
    query, values = newest_of(wanted, whole(cursor) if cursor else None)
    return page(index.execute(query, (*values, limit + 1)).fetchall(), limit, "answer")


def newest_of(wanted: Filters, before: int | None) -> tuple[str, list[object]]:
    """What is asked for them, before an answer, and its values but how many."""
    some = {
        "answers.survey = ?": wanted.survey,
        "answers.best = ?": wanted.best,
        "answers.probability >= ?": wanted.probability or None,
        "answers.id < ?": before,
    }
    conditions = ["objects.answer = answers.id", *(c for c, v in some.items() if v is not None)]
    order = "answers_by_time" if wanted.best is None else "answers_by_class"
    columns = ", ".join(f"objects.{name}" for name in OBJECT.split(", "))
    query = (
        f"SELECT {columns} FROM answers INDEXED BY {order} CROSS JOIN objects USING (object, survey)"  # noqa: S608
        f" WHERE {' AND '.join(conditions)} ORDER BY answers.id DESC LIMIT ?"
    )
    return query, [v for v in some.values() if v is not None]


def anomalies(index: sqlite3.Connection, since_ms: int, cursor: str | None, limit: int) -> Page:
    """Answers with the anomaly flag, the newest first, since a time [ms since 1970]."""
    before = whole(cursor) if cursor else 2**62
    rows = index.execute(
        "SELECT * FROM answers WHERE anomaly AND id < ? AND published_ms >= ? ORDER BY id DESC LIMIT ?",
        (before, since_ms, limit + 1),
    ).fetchall()
    return page(rows, limit, "id")


def anomalous(index: sqlite3.Connection, since_ms: int, cursor: str | None, limit: int) -> Page:
    """Objects by their newest answer with the anomaly flag, since a time [ms since 1970].

    A row is that answer, with `flagged`, how many of the object's answers had the flag, and `highest`, their score.
    """
    before = whole(cursor) if cursor else 2**62
    rows = index.execute(
        "SELECT answers.*, flagged, highest FROM objects JOIN answers ON answers.id = flagged_answer"
        " WHERE flagged_answer < ? AND published_ms >= ? ORDER BY flagged_answer DESC LIMIT ?",
        (before, since_ms, limit + 1),
    ).fetchall()
    return page(rows, limit, "id")


def answers(index: sqlite3.Connection, survey: str, name: str, limit: int = MOST_ANSWERS) -> list[Row]:
    """What was said of an object, oldest first; of very many those that came last."""
    rows: list[Row] = index.execute(
        "WITH RECURSIVE some (number) AS ("
        " SELECT answer FROM objects WHERE survey = ? AND object = ?"
        " UNION ALL SELECT before FROM some JOIN answers ON id = number LIMIT ?"
        ") SELECT answers.* FROM some JOIN answers ON id = number ORDER BY mjd, id",
        (survey, name, limit),
    ).fetchall()
    return rows


def alert_of(index: sqlite3.Connection, number: int) -> Row | None:
    """An answer by its number in the index."""
    found: Row | None = index.execute("SELECT * FROM answers WHERE id = ?", (number,)).fetchone()
    return found


def nights(index: sqlite3.Connection, last: int = 28) -> list[Row]:
    """Messages of each night and topic, the newest night first."""
    rows: list[Row] = index.execute("SELECT * FROM nights ORDER BY night DESC, topic LIMIT ?", (last,)).fetchall()
    return rows


def models(index: sqlite3.Connection, last: int = 1_000) -> list[Row]:
    """Which artefacts the latest answers came from."""
    rows: list[Row] = index.execute(
        "SELECT model, version, priors, count(*) AS answers"
        " FROM (SELECT model, version, priors FROM answers ORDER BY id DESC LIMIT ?)"
        " GROUP BY model, version, priors ORDER BY answers DESC",
        (last,),
    ).fetchall()
    return rows


def answering(index: sqlite3.Connection, last: int = 2_000) -> dict[str, list[Row]]:
    """Which artefacts answered each partition of the input, as topic[0], last: one of each survey."""
    rows = index.execute(
        "SELECT source_topic, source_partition, model, version, priors FROM answers WHERE id IN ("
        " SELECT max(id) FROM (SELECT id, source_topic, source_partition, survey FROM answers ORDER BY id DESC LIMIT ?)"
        " GROUP BY source_topic, source_partition, survey) ORDER BY survey",
        (last,),
    )
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row['source_topic']}[{row['source_partition']}]", []).append(row)
    return found
