"""The machine that runs a compiled schema over bodies: law 10, every length is compared with what is left.

An instruction is a row of code: an operation and up to four numbers. Values go to cells, one stretch for each slot and
one cell for each body or row; a double's cell is the same memory seen as float64. Source of the encoding: Avro 1.11
specification, "Binary Encoding".
"""

from typing import Any

import numpy as np
from numba import njit

from broker.packets.layouts import alike, walk
from broker.packets.varints import (
    BLOCK_SIZE,
    BOOLEAN,
    BRANCH,
    DEEP,
    GOOD,
    LEFT_OVER,
    LENGTH,
    LOWEST,
    ROWS,
    SHORT,
    SYMBOL,
    UTF8,
    is_utf8,
    length_at,
    long_at,
)

# Operations, with what their numbers mean.
END, SKIP, SKIP_LONG, SKIP_BYTES, SKIP_TEXT, SKIP_BOOL, SKIP_ENUM, UNION, JUMP, CALL, RETURN, BLOCK, NEXT = range(13)
# SKIP bytes; SKIP_ENUM symbols; UNION branches, then a JUMP for each; JUMP to; CALL to;
# BLOCK exit, least bytes of an item, table or -1, 1 if the items have just these bytes; NEXT its block, table or -1
LOAD_LONG, LOAD_LONG_AS_DOUBLE, LOAD_FLOAT, LOAD_DOUBLE, LOAD_BOOL, LOAD_TEXT, LOAD_ENUM = range(13, 20)  # slot
# LOAD_ENUM slot, symbols, first of them in the table of symbols
# a LOAD's last numbers: 0, or 1 + the branch that is null of the union that it begins with; and then its NULL
NULL_LONG, NULL_DOUBLE, NULL_BOOL, NULL_TEXT = range(20, 24)  # slot
RUN = 24  # which of the runs, as layouts.py has them
WIDTH = 6

STACK = 256  # words: a call takes one, an array or map two; deeper data is refused


@njit(cache=True, nogil=True)
def read_body(
    code: Any, symbols: Any, steps: Any, runs: Any, data: Any, singles: Any, doubles: Any, p: int, end: int,
    most_rows: int, bases: Any, cells: Any, reals: Any, missing: Any, rows: Any, body: int, stack: Any,
    layout: Any, layout_mask: Any, lengths: Any,
) -> tuple[int, int]:  # fmt: skip
    """One body's values into their cells. Returns its fate and the byte where that was clear."""
    pc, sp, at = 0, 0, body
    while True:
        op, a, b = code[pc, 0], code[pc, 1], code[pc, 2]
        pc += 1
        if LOAD_LONG <= op <= LOAD_ENUM and code[pc - 1, 4]:
            index, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            if index < 0 or index > 1:
                return BRANCH, p
            p = q
            if index == code[pc - 1, 4] - 1:
                op = code[pc - 1, 5]
        if op == RUN:
            length = lengths[a]
            if length and length <= end - p and alike(data, p, layout, layout_mask, runs[a, 2], length):
                p += length
                continue
            fate, p, lengths[a] = walk(steps, runs[a], data, p, end, layout, layout_mask)
            if fate != GOOD:
                return fate, p
        elif op == SKIP:
            if a > end - p:
                return SHORT, p
            p += a
        elif op == UNION:
            index, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            if index < 0 or index >= a:
                return BRANCH, p
            p = q
            pc = code[pc + index, 1]
        elif op == JUMP:
            pc = a
        elif op == SKIP_LONG:
            _, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            p = q
        elif op == SKIP_BOOL:
            if p >= end:
                return SHORT, p
            if data[p] > 1:
                return BOOLEAN, p
            p += 1
        elif op == LOAD_FLOAT:
            if end - p < 4:
                return SHORT, p
            reals[bases[a] + at] = singles[p]
            missing[bases[a] + at] = False
            p += 4
        elif op == LOAD_DOUBLE:
            if end - p < 8:
                return SHORT, p
            reals[bases[a] + at] = doubles[p]
            missing[bases[a] + at] = False
            p += 8
        elif op in (LOAD_LONG, LOAD_LONG_AS_DOUBLE):
            value, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            if op == LOAD_LONG:
                cells[bases[a] + at] = value
            else:
                reals[bases[a] + at] = np.float64(value)
            missing[bases[a] + at] = False
            p = q
        elif op == LOAD_BOOL:
            if p >= end:
                return SHORT, p
            if data[p] > 1:
                return BOOLEAN, p
            cells[bases[a] + at] = data[p]
            missing[bases[a] + at] = False
            p += 1
        elif op in (LOAD_TEXT, SKIP_TEXT, SKIP_BYTES):
            size, q = length_at(data, p, end)
            if q < 0:
                return -q, p
            if op != SKIP_BYTES and not is_utf8(data, q, q + size):
                return UTF8, q
            if op == LOAD_TEXT:
                cells[bases[a] + at] = q
                cells[bases[a + 1] + at] = size
                missing[bases[a] + at] = False
            p = q + size
        elif op in (LOAD_ENUM, SKIP_ENUM):
            index, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            if index < 0 or index >= (b if op == LOAD_ENUM else a):
                return SYMBOL, p
            if op == LOAD_ENUM:
                symbol = code[pc - 1, 3] + index
                cells[bases[a] + at] = symbols[symbol, 0]
                cells[bases[a + 1] + at] = symbols[symbol, 1]
                missing[bases[a] + at] = False
            p = q
        elif op == NULL_DOUBLE:
            reals[bases[a] + at] = np.nan
            missing[bases[a] + at] = True
        elif op in (NULL_LONG, NULL_BOOL):
            cells[bases[a] + at] = 0 if op == NULL_LONG else -1
            missing[bases[a] + at] = True
        elif op == NULL_TEXT:
            cells[bases[a] + at] = 0
            cells[bases[a + 1] + at] = 0
            missing[bases[a] + at] = True
        elif op == BLOCK:
            table = code[pc - 1, 3]
            count, q = long_at(data, p, end)
            if q < 0:
                return -q, p
            if count == 0:
                p, pc = q, a
                at = body if table >= 0 else at
                continue
            limit = np.int64(-1)
            if count < 0:  # then the block's size in bytes follows
                if count == LOWEST:
                    return LENGTH, p
                count = -count
                size, q = length_at(data, q, end)
                if q < 0:
                    return -q, p
                limit = q + size
            if count > ((end - q) // b if b > 0 else most_rows):
                return LENGTH, p
            if table >= 0:
                if count > most_rows:
                    return ROWS, p
                most_rows -= count
                at = rows[table]
            p = q
            if code[pc - 1, 4]:
                p += count * b
                if limit >= 0 and p != limit:
                    return BLOCK_SIZE, p
                pc -= 1
            else:
                if sp + 2 > STACK:
                    return DEEP, p
                stack[sp], stack[sp + 1] = count, limit
                sp += 2
        elif op == NEXT:
            if b >= 0:
                rows[b] += 1
                at += 1
            stack[sp - 2] -= 1
            if stack[sp - 2] > 0:
                pc = a + 1
            else:
                sp -= 2
                if stack[sp + 1] >= 0 and p != stack[sp + 1]:
                    return BLOCK_SIZE, p
                pc = a
        elif op == CALL:
            if sp == STACK:
                return DEEP, p
            stack[sp] = pc
            sp += 1
            pc = a
        elif op == RETURN:
            sp -= 1
            pc = stack[sp]
        else:
            return (GOOD if p == end else LEFT_OVER), p


@njit(cache=True, nogil=True)
def run_program(
    code: Any, symbols: Any, steps: Any, runs: Any, data: Any, singles: Any, doubles: Any, bounds: Any,
    most_rows: int, bases: Any, cells: Any, reals: Any, missing: Any, ends: Any, fates: Any, places: Any,
) -> int:  # fmt: skip
    """Reads bodies, body i from bounds[i] to bounds[i + 1], and returns how many are good: theirs are the first cells.

    ends [tables, n], fates [n] and places [n] are written; a body that is not good leaves no row behind.
    """
    stack = np.empty(STACK, np.int64)
    rows = np.zeros(ends.shape[0], np.int64)
    before = np.zeros(ends.shape[0], np.int64)
    lengths = np.zeros(runs.shape[0], np.int64)
    room = runs[-1, 2] + runs[-1, 3] if runs.shape[0] else 0
    layout, layout_mask = np.zeros(room, np.uint8), np.zeros(room, np.uint8)
    good = 0
    for body in range(bounds.size - 1):
        before[:] = rows
        fate, place = read_body(
            code, symbols, steps, runs, data, singles, doubles, bounds[body], bounds[body + 1], most_rows,
            bases, cells, reals, missing, rows, good, stack, layout, layout_mask, lengths,
        )  # fmt: skip
        fates[body] = fate
        places[body] = place - bounds[body]
        if fate == GOOD:
            ends[:, good] = rows
            good += 1
        else:
            rows[:] = before
    return good
