"""Runs of fields that are skipped, and the layout that a run had last: most rows of a table have it again.

A run's layout is its bytes as they last were and a mask of those that decide where the next field begins or whether a
value is one: a union's index, whether a number goes on, a text's length, a boolean. Where they are the same, the run is
as long as last time and as good, and one comparison of some hundred bytes takes the place of a walk over its fields.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from broker.packets.shapes import Schemas, null_branch
from broker.packets.varints import BOOLEAN, BRANCH, GOOD, LONGEST_VARINT, SHORT, UTF8, is_utf8, length_at, long_at

# What a step of a run is, beside the branch that is null (-1 without a union) and, for FIXED, its bytes.
FIXED, BOOL, LONG, TEXT = range(4)
LONGEST_FIXED = 64  # bytes that a step may have
TEXT_ROOM = 128  # bytes of a text that a layout has room for
KINDS = {"boolean": (BOOL, 1), "int": (LONG, 0), "long": (LONG, 0), "string": (TEXT, 0)}
ROOM = {BOOL: 1, LONG: LONGEST_VARINT, TEXT: 2 + TEXT_ROOM}  # bytes


class Step(NamedTuple):
    """A field of a run."""

    null: int  # branch of its union of two; -1 without one
    kind: int
    size: int  # bytes of what is FIXED or BOOL

    @property
    def room(self) -> int:
        """How many bytes it has in a layout at most."""
        return (self.null >= 0) + ROOM.get(self.kind, self.size)


def step(schemas: Schemas, schema: Any) -> Step | None:  # noqa: ANN401 - a schema is any JSON
    """The step that skips a field of a type; None for what no run may have."""
    shapes = schemas.branches(schema)
    if len(shapes) == 1 and schemas.shape(schema)["type"] == "union":
        return None
    null = null_branch(shapes) if len(shapes) == 2 else -1
    if len(shapes) == 2 and null < 0:
        return None
    shape = shapes[1 - null] if null >= 0 else shapes[0]
    if len(shapes) <= 2 and shape["type"] in KINDS:
        return Step(null, *KINDS[shape["type"]])
    size = schemas.fixed_bytes(shape) if len(shapes) <= 2 else None
    return None if size is None or size > LONGEST_FIXED else Step(null, FIXED, size)


@njit(cache=True, nogil=True, inline="always")
def alike(data, p, layout, mask, first, length):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether the bytes at p have the layout at first."""
    place, start = np.uint64(p), np.uint64(first)  # unsigned: then numba knows that no index counts from the end
    other = np.uint8(0)
    for i in range(np.uint64(length)):
        other |= (data[place + i] ^ layout[start + i]) & mask[start + i]
    return other == 0


@njit(cache=True, nogil=True, inline="always")
def mark(mask, first, room, place, size, bits):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Says which bits of some bytes belong to the layout, as far as there is room."""
    for i in range(place, min(place + size, room)):
        mask[first + i] = bits


@njit(cache=True, nogil=True)
def walk_text(data, p, end, mask, first, room, start):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """A text. Returns its fate, where it ends, and whether it is ASCII: of other bytes no mask tells UTF-8."""
    size, q = length_at(data, p, end)
    if q < 0:
        return -q, p, False
    if not is_utf8(data, q, q + size):
        return UTF8, q, False
    mark(mask, first, room, p - start, q - p, 0xFF)
    mark(mask, first, room, q - start, size, 0x80)
    high = np.uint8(0)
    for i in range(q, q + size):
        high |= data[i]
    return GOOD, q + size, high < 0x80


@njit(cache=True, nogil=True)
def walk_step(kind, size, data, p, end, mask, first, room, start):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """One value of a run. Returns its fate, where it ends, and whether a layout can tell that it is good."""
    if kind == LONG:
        _, q = long_at(data, p, end)
        if q < 0:
            return -q, p, False
        mark(mask, first, room, p - start, q - p, 0x80)
        if q - p == LONGEST_VARINT:
            mark(mask, first, room, q - 1 - start, 1, 0xFE)  # its last byte holds the 64th bit alone
        return GOOD, q, True
    if kind == TEXT:
        return walk_text(data, p, end, mask, first, room, start)
    if size > end - p:
        return SHORT, p, False
    if kind == BOOL and data[p] > 1:
        return BOOLEAN, p, False
    mark(mask, first, room, p - start, size, 0xFE if kind == BOOL else 0)
    return GOOD, p + size, True


@njit(cache=True, nogil=True)
def walk(steps: Any, run: Any, data: Any, p: int, end: int, layout: Any, mask: Any) -> tuple[int, int, int]:  # noqa: ANN401
    """Field by field over a run, from p on. Returns its fate, where it ends, and how long its layout is; 0 without one.

    Of steps [steps, 3] (null branch, kind, bytes) it takes run[0] to run[1]; layout and mask are written from run[2]
    on, at most run[3] bytes.
    """
    start, first, room, fits = p, run[2], run[3], True
    for step in range(run[0], run[1]):
        null, kind, size = steps[step, 0], steps[step, 1], steps[step, 2]
        if null >= 0:
            index, q = long_at(data, p, end)
            if q < 0:
                return -q, p, 0
            if index < 0 or index > 1:
                return BRANCH, p, 0
            mark(mask, first, room, p - start, q - p, 0xFF)
            p = q
            if index == null:
                continue
        fate, p, told = walk_step(kind, size, data, p, end, mask, first, room, start)
        if fate != GOOD:
            return fate, p, 0
        fits &= told
    length = p - start
    if length > room or not fits:
        return GOOD, p, 0
    layout[first : first + length] = data[start:p]
    return GOOD, p, length
