"""Avro's variable parts, written for a whole batch at once: numbers, texts and positions of many records."""

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

LONGEST_NUMBER = 10  # bytes of a long


@numba.njit(cache=True, nogil=True, inline="always")
def write_long(buffer: Bytes, at: int, value: np.int64) -> int:
    """A zig-zag varint; where it ends."""
    rest = np.uint64((value << np.int64(1)) ^ (value >> np.int64(63)))
    while rest >= np.uint64(128):
        buffer[at] = np.uint8(rest & np.uint64(127)) | np.uint8(128)
        rest >>= np.uint64(7)
        at += 1
    buffer[at] = np.uint8(rest)
    return at + 1


@numba.njit(cache=True, nogil=True, inline="always")
def copy(buffer: Bytes, at: int, source: Bytes, start: int, end: int) -> int:
    """Bytes of another array; where they end."""
    for i in range(start, end):
        buffer[at] = source[i]
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def write_classifications(
    buffer: Bytes, prefix: Bytes, alert_ids: Ints, names: Bytes, name_ends: Ints, slashes: Ints,
    times: Bytes, places: Bytes, observations: Ints, photoz: Bytes, unknown: NDArray[np.bool_], middles: Bytes,
    tails: Bytes, tail_ends: Ints, tail_of: Ints, suffix: Bytes,
) -> Ints:  # fmt: skip
    """Write n records of schemas/classification one after the other; where each ends [n].

    Args:
        buffer: room for them.
        prefix: before each record: its framing.
        alert_ids: [n].
        names: the objects' b"survey/objectId", joined.
        name_ends: [n].
        slashes: [n], how many bytes the survey has.
        times: [n, 8], the doubles of the observations' times.
        places: [n, 16], the doubles of right ascension and declination.
        observations: [n].
        photoz: [n, 4], the floats of the hosts' redshifts.
        unknown: [n, 3], where right ascension, declination and redshift are not known.
        middles: [n, w], from the array of classes to the threshold of the anomaly score.
        tails: some ends of records, joined.
        tail_ends: [t].
        tail_of: [n], which of them each record has.
        suffix: after each: the times of the batch.
    """
    ends = np.empty(len(alert_ids), np.int64)
    at, start = 0, 0
    for i in range(len(alert_ids)):
        at = copy(buffer, at, prefix, 0, len(prefix))
        at = write_long(buffer, at, alert_ids[i])
        middle, end = start + slashes[i], name_ends[i]
        at = write_long(buffer, at, np.int64(end - middle - 1))
        at = copy(buffer, at, names, middle + 1, end)
        at = write_long(buffer, at, np.int64(slashes[i]))
        at = copy(buffer, at, names, start, middle)
        start = end
        at = copy(buffer, at, times[i], 0, 8)
        for axis in range(2):
            if unknown[i, axis]:
                at = write_long(buffer, at, np.int64(0))
            else:
                at = write_long(buffer, at, np.int64(1))
                at = copy(buffer, at, places[i], 8 * axis, 8 * axis + 8)
        at = write_long(buffer, at, observations[i])
        at = write_long(buffer, at, np.int64(not unknown[i, 2]))
        if not unknown[i, 2]:
            at = copy(buffer, at, photoz[i], 0, 4)
        at = copy(buffer, at, middles[i], 0, middles.shape[1])
        tail = tail_of[i]
        at = copy(buffer, at, tails, tail_ends[tail - 1] if tail else 0, tail_ends[tail])
        at = copy(buffer, at, suffix, 0, len(suffix))
        ends[i] = at
    return ends
