"""Cones: the objects around a place, the nearest first. However many there are, little is read for a page of them.

A ring of the cone is looked at after another, from the place outwards, until the page is full; of each object within
only its key and its place are read, from an index alone.
"""

import sqlite3
from collections.abc import Iterator
from math import inf, nextafter, sqrt
from typing import NamedTuple

import numpy as np

from broker.web.cursors import Page, Row, after, page
from broker.web.places import cone, separations_deg, within_pixels

FIRST_DEG = 0.02  # radius of the first ring's outer edge; of each next one twice as much
DIGITS = 12  # of a separation [deg], so that a cursor's is found again
MOST_LOOKED_AT = 200_000  # objects, for one page
PIXELS_AT_ONCE = 500


class Found(NamedTuple):
    """An object near a place, in the order of a list."""

    separation_deg: float
    survey: str
    object: str


def around(
    index: sqlite3.Connection, ra_deg: float, dec_deg: float, radius_deg: float, cursor: str | None, limit: int
) -> Page:
    """Keys of objects within a cone, the nearest first: `survey`, `object`, `separation_deg`.

    Raises ValueError for too large a cone, one too crowded, or a cursor that is none.
    """
    begin = after(cursor, float, str, str)
    last = Found(*begin) if begin else Found(-1.0, "", "")
    cone(ra_deg, dec_deg, radius_deg)  # refuses
    found: list[Found] = []
    looked_at = 0
    for inner, outer in rings(max(0.0, last.separation_deg), radius_deg):
        ring: list[Row] = []
        for some in pixels_of(ra_deg, dec_deg, inner, outer):
            marks = ",".join("?" * len(some))
            query = f"SELECT survey, object, ra, dec FROM objects WHERE pixel IN ({marks}) LIMIT ?"  # noqa: S608
            ring += index.execute(query, (*some, MOST_LOOKED_AT + 1 - looked_at - len(ring)))
            if looked_at + len(ring) > MOST_LOOKED_AT:
                raise ValueError(f"more than {MOST_LOOKED_AT:,} objects lie so near; search a smaller cone")
        looked_at += len(ring)
        found += sorted(one for one in near(ring, ra_deg, dec_deg) if last < one and one.separation_deg <= outer)
        if len(found) > limit:
            break
        last = Found(nextafter(outer, inf), "", "")
    return page([one._asdict() for one in found[: limit + 1]], limit, *Found._fields)


def near(some: list[Row], ra_deg: float, dec_deg: float) -> Iterator[Found]:
    """How far some objects are from a place."""
    if some:
        apart = separations_deg(np.array([(row["ra"], row["dec"]) for row in some]), ra_deg, dec_deg)
        for row, far in zip(some, np.round(apart, DIGITS).tolist(), strict=True):
            yield Found(far, row["survey"], row["object"])


def rings(begin_deg: float, radius_deg: float) -> Iterator[tuple[float, float]]:
    """The inner and outer edges of rings from a distance to a radius; each has some three times the one before."""
    inner, step = begin_deg, FIRST_DEG
    while inner < radius_deg:
        outer = min(radius_deg, sqrt(inner**2 + step**2))
        yield inner, outer
        inner, step = outer, 2 * step


def pixels_of(ra_deg: float, dec_deg: float, inner_deg: float, outer_deg: float) -> Iterator[list[int]]:
    """The pixels that a ring touches, some at a time."""
    inside = within_pixels(ra_deg, dec_deg, inner_deg)
    found = np.setdiff1d(cone(ra_deg, dec_deg, outer_deg), inside).tolist()
    for i in range(0, len(found), PIXELS_AT_ONCE):
        yield found[i : i + PIXELS_AT_ONCE]


def rows_of(index: sqlite3.Connection, columns: str, keys: list[Row]) -> list[Row]:
    """The rows of objects, each beside what is known of it."""
    query = f"SELECT {columns} FROM objects WHERE survey = ? AND object = ?"  # noqa: S608 - names of our own
    found = [(key, index.execute(query, (key["survey"], key["object"])).fetchone()) for key in keys]
    return [key | row for key, row in found if row is not None]
