"""Numbers, lengths and texts in Avro bodies, read by compiled code, and the fates that bytes may have."""

from enum import IntEnum

import numpy as np
from numba import njit

LONGEST_VARINT = 10  # bytes


class Fate(IntEnum):
    """How a body ended."""

    GOOD = 0
    SHORT = 1
    OVERLONG = 2
    LENGTH = 3
    BOOLEAN = 4
    BRANCH = 5
    SYMBOL = 6
    DEEP = 7
    LEFT_OVER = 8
    BLOCK_SIZE = 9
    ROWS = 10
    UTF8 = 11


GOOD, SHORT, OVERLONG, LENGTH, BOOLEAN, BRANCH, SYMBOL, DEEP, LEFT_OVER, BLOCK_SIZE, ROWS, UTF8 = map(int, Fate)
LOWEST = -(2**63)


@njit(cache=True, nogil=True, inline="always")
def long_at(data, p, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - numba infers its types
    """A zig-zag varint and where it ends; a fate below 0 in place of the latter where it is none."""
    if p >= end:
        return np.int64(0), np.int64(-SHORT)
    byte = np.uint64(data[p])
    if byte < np.uint64(0x80):
        return np.int64(byte >> np.uint64(1)) ^ -np.int64(byte & np.uint64(1)), p + 1
    value = byte & np.uint64(0x7F)
    for i in range(1, LONGEST_VARINT):
        if p + i >= end:
            return np.int64(0), np.int64(-SHORT)
        byte = np.uint64(data[p + i])
        value |= (byte & np.uint64(0x7F)) << np.uint64(7 * i)
        if byte < np.uint64(0x80):
            if i == LONGEST_VARINT - 1 and byte > np.uint64(1):  # the tenth byte holds the 64th bit alone
                return np.int64(0), np.int64(-OVERLONG)
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), p + i + 1
    return np.int64(0), np.int64(-OVERLONG)


@njit(cache=True, nogil=True)
def is_utf8(data, p, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether bytes are UTF-8: shortest form, no surrogates, at most U+10FFFF."""
    while p < end:
        lead = data[p]
        p += 1
        if lead < 0x80:
            continue
        if 0xC2 <= lead < 0xE0:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= lead < 0xF0:
            more, low, high = 2, 0xA0 if lead == 0xE0 else 0x80, 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead < 0xF5:
            more, low, high = 3, 0x90 if lead == 0xF0 else 0x80, 0x8F if lead == 0xF4 else 0xBF
        else:
            return False
        if p + more > end or data[p] < low or data[p] > high:
            return False
        for i in range(1, more):
            if data[p + i] & 0xC0 != 0x80:
                return False
        p += more
    return True


@njit(cache=True, nogil=True, inline="always")
def length_at(data, p, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """A length of at most what is left, and where its bytes begin; or a fate below 0."""
    size, p = long_at(data, p, end)
    if p >= 0 and (size < 0 or size > end - p):
        return size, np.int64(-LENGTH)
    return size, p
