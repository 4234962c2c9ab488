"""The steady path: alerts whose new observations come after everything that their object's state has seen.

`advance` walks over a micro-batch once, alert after alert. For each it finds which rows are new, puts them in order and
drops what loses against another row of the same time and band (law 4). An object fits while every row that is not new
is known; one that does not fit is left to `recall`. What is known of an object is its state's last row and, where its
alerts bring their history, the hashes of all rows that it has seen. So an alert costs what is new of it: one row for a
native alert, a look at each row for a packet with its history.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.hashes import U32, row_hashes
from broker.lightcurves.seen import BITS, holds, index_of
from broker.lightcurves.states import States
from model.alerts import Alerts

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FEW = 32  # rows of an alert that are sorted by insertion
DETECTION = np.uint8(8)  # a row's kind: its band in the low 3 bits, then this
NEW, REFUSED = 1, 2  # a row's mark: to be stepped; known to lose against another


class Rows(NamedTuple):
    """All rows [m] of a batch, a column each, as the kernels want them."""

    mjd: NDArray[np.float64]
    flux: NDArray[np.float32]
    error: NDArray[np.float32]
    kind: NDArray[np.uint8]
    hashes: U32
    tokens: U32


class Steps(NamedTuple):
    """What is new in a batch of n alerts of b objects."""

    fits: Flags  # [b]
    counts: Ints  # [b], new rows of each object
    rows: Ints  # [s], the new rows of the objects that fit, object after object, each object's by time
    logged: Ints  # [s], the same rows as they go to the log: each alert's history, then its own
    readouts: Ints  # [n], which of the s is the last of each alert; -1 where its object does not fit
    seen: Ints  # [n], new rows of its object up to and with each alert
    last_mjd: NDArray[np.float64]  # [b]
    last_band: NDArray[np.uint8]  # [b]
    tails: U32  # the rows seen by each object that fits
    tail_ends: Ints  # [b]


def columns(alerts: Alerts, salts: NDArray[np.uint64]) -> Rows:
    """A batch's rows as columns; salts [m] stand for the rows' objects."""
    mjd, flux, error = (np.ascontiguousarray(alerts.rows[name]) for name in ("mjd_tai", "flux_njy", "flux_err_njy"))
    kind = alerts.rows["band"] | (alerts.rows["detected"] * DETECTION)
    hashes = row_hashes(mjd.view(np.uint64), flux.view(np.uint32), error.view(np.uint32), kind, salts)
    return Rows(mjd, flux, error, kind, *hashes)


def steps_of(alerts: Alerts, owner: Ints, rows: Rows, states: States, fits: Flags, knows: Flags) -> Steps:
    """Plan a batch.

    Args:
        alerts: n of them.
        owner: [n], the object of each alert.
        rows: of the alerts.
        states: of the b objects.
        fits: [b], False where it is known already that an object must be recalled.
        knows: [b], whether the rows that it has seen are to be kept.
    """
    starts, ends = alerts.starts, alerts.ends
    size = len(fits)
    totals = np.bincount(owner, weights=ends - starts, minlength=size).astype(np.int64)
    room = np.cumsum(totals) - totals
    headers, there = states.headers, states.there
    last_mjd, last_band = np.where(there, headers["last_mjd"], -np.inf), headers["last_band"].copy()
    fits, counts = fits.copy(), np.zeros(size, np.int64)
    picked, logged = np.empty(len(rows.mjd), np.int64), np.empty(len(rows.mjd), np.int64)
    marks, seen = np.zeros(len(rows.mjd), np.uint8), np.zeros(len(owner), np.int64)
    tail_ends = states.tail_ends
    advance(
        owner, starts, ends, *rows, states.tails, tail_ends, knows & there,
        room, fits, counts, last_mjd, last_band, picked, logged, marks, seen,
    )  # fmt: skip
    counts[~fits] = 0
    place = np.arange(len(picked)) - np.repeat(room, totals)
    new = place < np.repeat(counts, totals)
    compressed = np.cumsum(new) - 1
    readouts = np.where(fits[owner], compressed[room[owner] + seen - 1], -1)
    tails, ends_now = merged_tails(
        owner, starts, ends, rows.kind, rows.hashes, rows.tokens, marks, fits, knows, states.tails, tail_ends
    )
    return Steps(
        fits, counts, picked[new], logged[new], readouts, seen, last_mjd, last_band, tails, ends_now,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def advance(
    owner: Ints, starts: Ints, ends: Ints,
    mjd: NDArray[np.float64], flux: NDArray[np.float32], error: NDArray[np.float32], kind: NDArray[np.uint8],
    hashes: U32, tokens: U32, tails: U32, tail_ends: Ints, knows: Flags,
    room: Ints, fits: Flags, counts: Ints, last_mjd: NDArray[np.float64], last_band: NDArray[np.uint8],
    picked: Ints, logged: Ints, marks: NDArray[np.uint8], seen: Ints,
) -> None:  # fmt: skip
    """Find, order and mark the new rows of each alert; the last nine arguments are written to."""
    firsts = np.empty((1 << BITS) + 1, np.int32)
    for i in range(len(owner)):
        o = owner[i]
        if not fits[o]:
            continue
        own, begin = ends[i] - 1, counts[o]
        first = room[o]
        shift = 0
        if knows[o]:
            shift = index_of(tails, tail_ends[o - 1] if o else 0, tail_ends[o], ends[i] - starts[i], firsts)
        for r in range(starts[i], ends[i]):
            band = kind[r] & 7
            if mjd[r] > last_mjd[o] or (mjd[r] == last_mjd[o] and band > last_band[o] and last_mjd[o] > -np.inf):
                picked[first + counts[o]] = r
                counts[o] += 1
                continue
            if r == own:
                fits[o] = False
                break
            if knows[o] and holds(tails, firsts, shift, hashes[r]):
                continue
            if knows[o] and not kind[r] & DETECTION and holds(tails, firsts, shift, tokens[r]):
                continue
            p = find(picked, first, first + begin, mjd, kind, r)
            if p >= 0 and not wins(r, p, flux, error, kind):
                marks[r] = REFUSED
                continue
            fits[o] = False
            break
        if not fits[o]:
            continue
        end = first + counts[o]
        sort(picked, first + begin, end, mjd, flux, error, kind)
        kept = first + begin
        for j in range(first + begin, end):
            r = picked[j]
            if kept > first + begin and same_place(picked[kept - 1], r, mjd, kind):
                marks[r] = REFUSED
            else:
                picked[kept] = r
                marks[r] = NEW
                kept += 1
        if marks[own] != NEW:
            fits[o] = False
            continue
        counts[o] = kept - first
        seen[i] = counts[o]
        at = first + begin
        for j in range(first + begin, kept):
            if picked[j] != own:
                logged[at] = picked[j]
                at += 1
        logged[at] = own
        last_mjd[o], last_band[o] = mjd[picked[kept - 1]], kind[picked[kept - 1]] & 7


@numba.njit(cache=True, nogil=True)
def find(picked: Ints, start: int, end: int, mjd: NDArray[np.float64], kind: NDArray[np.uint8], r: int) -> int:
    """Which of the rows picked, sorted by time and band, has the time and band of row r; -1 where none has."""
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        p = picked[middle]
        if mjd[p] < mjd[r] or (mjd[p] == mjd[r] and (kind[p] & 7) < (kind[r] & 7)):
            low = middle + 1
        else:
            high = middle
    if low < end and same_place(picked[low], r, mjd, kind):
        return int(picked[low])
    return -1


@numba.njit(cache=True, nogil=True, inline="always")
def same_place(a: int, b: int, mjd: NDArray[np.float64], kind: NDArray[np.uint8]) -> bool:
    """Whether two rows share time and band."""
    return bool(mjd[a] == mjd[b] and (kind[a] & 7) == (kind[b] & 7))


@numba.njit(cache=True, nogil=True)
def wins(a: int, b: int, flux: NDArray[np.float32], error: NDArray[np.float32], kind: NDArray[np.uint8]) -> bool:
    """Whether row a is kept rather than b of the same time and band: see LightCurve.of."""
    if (kind[a] & DETECTION) != (kind[b] & DETECTION):
        return bool(kind[a] & DETECTION)
    if error[a] != error[b]:
        return bool(error[a] < error[b])
    return bool(flux[a] > flux[b])


@numba.njit(cache=True, nogil=True)
def before(
    a: int, b: int,
    mjd: NDArray[np.float64], flux: NDArray[np.float32], error: NDArray[np.float32], kind: NDArray[np.uint8],
) -> bool:  # fmt: skip
    """Whether row a stands before b: by time, band, then the one kept; of equal rows the later, an alert's own."""
    if mjd[a] != mjd[b]:
        return bool(mjd[a] < mjd[b])
    if (kind[a] & 7) != (kind[b] & 7):
        return bool((kind[a] & 7) < (kind[b] & 7))
    if wins(a, b, flux, error, kind):
        return True
    return a > b and not wins(b, a, flux, error, kind)


@numba.njit(cache=True, nogil=True)
def sort(
    picked: Ints, start: int, end: int,
    mjd: NDArray[np.float64], flux: NDArray[np.float32], error: NDArray[np.float32], kind: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Sort the rows picked in [start, end) in place."""
    if end - start > FEW:  # then insertion finds them in order: it alone would take the square of many
        part = picked[start:end][::-1].copy()
        part = part[np.argsort(-flux[part], kind="mergesort")]
        part = part[np.argsort(error[part], kind="mergesort")]
        part = part[np.argsort(DETECTION - (kind[part] & DETECTION), kind="mergesort")]
        part = part[np.argsort(kind[part] & np.uint8(7), kind="mergesort")]
        picked[start:end] = part[np.argsort(mjd[part], kind="mergesort")]
    for j in range(start + 1, end):
        r = picked[j]
        at = j
        while at > start and before(r, picked[at - 1], mjd, flux, error, kind):
            picked[at] = picked[at - 1]
            at -= 1
        picked[at] = r


@numba.njit(cache=True, nogil=True)
def merged_tails(
    owner: Ints, starts: Ints, ends: Ints, kind: NDArray[np.uint8], hashes: U32, tokens: U32,
    marks: NDArray[np.uint8], fits: Flags, knows: Flags, tails: U32, tail_ends: Ints,
) -> tuple[U32, Ints]:  # fmt: skip
    """The rows that each object has now seen, sorted; its old ones, and those marked. Of objects that fit alone."""
    size = len(fits)
    added = np.zeros(size, np.int64)
    for i in range(len(owner)):
        if fits[owner[i]] and knows[owner[i]]:
            for r in range(starts[i], ends[i]):
                if marks[r]:
                    added[owner[i]] += 2 if kind[r] & DETECTION else 1
    room = np.empty(size, np.int64)
    total = 0
    for o in range(size):
        room[o] = total
        total += added[o]
    fresh = np.empty(total, np.uint32)
    at = room.copy()
    for i in range(len(owner)):
        o = owner[i]
        if fits[o] and knows[o]:
            for r in range(starts[i], ends[i]):
                if marks[r]:
                    fresh[at[o]] = hashes[r]
                    at[o] += 1
                    if kind[r] & DETECTION:
                        fresh[at[o]] = tokens[r]
                        at[o] += 1
    merged = np.empty(total + len(tails), np.uint32)
    merged_ends = np.empty(size, np.int64)
    end = 0
    for o in range(size):
        if fits[o] and knows[o]:
            new = np.sort(fresh[room[o] : room[o] + added[o]])
            a, a_end, b = (tail_ends[o - 1] if o else 0), tail_ends[o], 0
            start = end
            while a < a_end or b < len(new):
                if b == len(new) or (a < a_end and tails[a] <= new[b]):
                    value = tails[a]
                    a += 1
                else:
                    value = new[b]
                    b += 1
                if end == start or merged[end - 1] != value:
                    merged[end] = value
                    end += 1
        merged_ends[o] = end
    return merged[:end], merged_ends


def tail_of(rows: NDArray[np.void], salt: np.uint64) -> NDArray[np.uint32]:
    """The rows seen, as a state keeps them."""
    mjd, flux, error = (np.ascontiguousarray(rows[name]) for name in ("mjd_tai", "flux_njy", "flux_err_njy"))
    kind = rows["band"] | (rows["detected"] * DETECTION)
    salts_ = np.full(len(rows), salt, np.uint64)
    hashes, tokens = row_hashes(mjd.view(np.uint64), flux.view(np.uint32), error.view(np.uint32), kind, salts_)
    return np.unique(np.concatenate([hashes, tokens[rows["detected"]]]))
