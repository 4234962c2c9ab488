"""Cursors: the place in a list after which its next page begins. They stay right while rows are added."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

Row = dict[str, Any]


class Page(NamedTuple):
    """A part of a list, and where the next one begins: None at the end."""

    rows: list[Row]
    cursor: str | None


def page(rows: Sequence[Row], limit: int, *keys: str) -> Page:
    """A page of rows, of which one more than it holds was asked for; the next begins after the last one's keys."""
    if len(rows) <= limit:
        return Page(list(rows), None)
    last = rows[limit - 1]
    return Page(list(rows[:limit]), str(last[keys[0]]) if len(keys) == 1 else json.dumps([last[key] for key in keys]))


def whole(cursor: str) -> int:
    """The number that a cursor is. Raises ValueError."""
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 18:
        raise stranger(cursor)
    return int(cursor)


def after(cursor: str | None, *kinds: type) -> list[Any] | None:
    """The keys, of some kinds, that a cursor is of; None where a list is to begin. Raises ValueError."""
    if cursor is None:
        return None
    try:
        found = json.loads(cursor)
    except (ValueError, RecursionError):
        raise stranger(cursor) from None
    if not isinstance(found, list) or [type(value) for value in found] != list(kinds):
        raise stranger(cursor)
    if not all(isfinite(value) for value in found if isinstance(value, float)):
        raise stranger(cursor)
    return found


def stranger(cursor: str) -> ValueError:
    """That this is none."""
    return ValueError(f"{cursor[:40]!r} is no cursor of this list")
