"""Which rows an object has seen: a number looked up among many that are sorted.

The numbers are hashes, spread evenly over all of 32 bits. So an index of where each share of them begins tells where a
number would stand, to within one or two: a packet that repeats a thousand rows asks a thousand times.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.hashes import U32

BITS = 14  # of an index at most: some thousands of rows
FEW = 8  # numbers that are looked at one after the other


@numba.njit(cache=True, nogil=True)
def index_of(numbers: U32, start: int, end: int, asked: int, firsts: NDArray[np.int32]) -> int:
    """Write where each share of the sorted numbers in [start, end) begins; how far a number is shifted to its share.

    Args:
        numbers: sorted from start to end.
        start: the first of them.
        end: behind the last of them.
        asked: how many will be looked up, about; for few of them one share is enough.
        firsts: [2**BITS + 1], written to.
    """
    bits = 0
    while bits < BITS and (1 << bits) < min(end - start, 4 * asked):
        bits += 1
    shift = 32 - bits
    firsts[: (1 << bits) + 1] = start
    for at in range(start, end):
        firsts[(np.int64(numbers[at]) >> shift) + 1] = at + 1
    for share in range(1 << bits):
        firsts[share + 1] = max(firsts[share + 1], firsts[share])
    return shift


@numba.njit(cache=True, nogil=True, inline="always")
def holds(numbers: U32, firsts: NDArray[np.int32], shift: int, wanted: np.uint32) -> bool:
    """Whether the numbers of an index hold one."""
    share = np.int64(wanted) >> shift
    low, high = firsts[share], firsts[share + 1]
    while high - low > FEW:  # as only somebody who chose them would have it
        middle = (low + high) // 2
        if numbers[middle] < wanted:
            low = middle + 1
        else:
            high = middle + 1
    for at in range(low, high):  # noqa: SIM110 - numba has no generators
        if numbers[at] == wanted:
            return True
    return False
