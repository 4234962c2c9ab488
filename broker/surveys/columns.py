"""Columns: what many bodies say, one array a field.

LONG is int64 (0 where null), DOUBLE float64 (NaN where null), BOOL int8 (-1 where null), TEXT an object array of bytes
(b"" where null) or, where the field has choices, int8 (-1 where null or none of them). Which text it was is told for
one row at a time: it is asked only for what is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.surveys.fields import Field, Kind

Values = dict[str, NDArray[Any]]
Missing = dict[str, NDArray[np.bool_]]
Told = Callable[[int], bytes | str | None]  # what stands in a row, None where nothing does

DTYPES: dict[Kind, type[Any]] = {Kind.LONG: np.int64, Kind.DOUBLE: np.float64, Kind.BOOL: np.int8, Kind.TEXT: object}
NULLS: dict[Kind, Any] = {Kind.LONG: 0, Kind.DOUBLE: np.nan, Kind.BOOL: -1, Kind.TEXT: b""}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table, those of one body after those of another: body i has rows ends[i - 1] to ends[i]."""

    ends: NDArray[np.int64]  # [n]
    values: Values  # [m] each
    missing: Missing  # [m] each: null, or absent from the schema
    told: dict[str, Told] = field(default_factory=dict)  # of fields with choices


@dataclass(frozen=True, slots=True)
class Columns:
    """The n bodies that decoded."""

    which: NDArray[np.int64]  # [n] index into the bodies given, ascending
    values: Values  # [n] each
    missing: Missing  # [n] each: null, or absent from the schema
    tables: dict[str, Rows]
    told: dict[str, Told] = field(default_factory=dict)  # of fields with choices


def joined(parts: Sequence[Columns]) -> Columns:
    """Several, at least one, as those of all their bodies; `which` stays as it is."""
    if len(parts) == 1:
        return parts[0]
    tables = {}
    for name in parts[0].tables:
        each = [part.tables[name] for part in parts]
        counts = [int(rows.ends[-1]) if len(rows.ends) else 0 for rows in each]
        starts = np.cumsum(counts) - counts
        ends = np.concatenate([rows.ends + start for rows, start in zip(each, starts, strict=True)])
        tables[name] = Rows(ends, together([rows.values for rows in each]), together([rows.missing for rows in each]))
    which = np.concatenate([part.which for part in parts])
    return Columns(which, together([part.values for part in parts]), together([part.missing for part in parts]), tables)


def together(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Columns of one name behind each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def column(wanted: Field, found: list[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A field's column and what of it is missing, from Python values and None. [n], [n]."""
    missing = np.fromiter((value is None for value in found), np.bool_, len(found))
    null = NULLS[wanted.kind]
    values = np.empty(len(found), DTYPES[wanted.kind])
    values[:] = [null if value is None else value for value in found]
    return (chosen(values, wanted.choices) if wanted.choices else values), missing


def chosen(texts: NDArray[Any], choices: tuple[bytes, ...]) -> NDArray[np.int8]:
    """Which of the choices each text is, -1 for any other. [n]."""
    index = {choice: place for place, choice in enumerate(choices)}
    return np.fromiter((index.get(text, -1) for text in texts), np.int8, len(texts))
