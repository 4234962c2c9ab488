"""From what packets say to the rows of alerts: each packet's histories, then its own observation."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from broker.surveys.checks import Floats, Measured, possible
from model.alerts import Alerts
from model.features import CONTEXT
from model.observation import OBSERVATION

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Past(NamedTuple):
    """Earlier observations [m] of n packets, those of one packet after those of another."""

    rows: NDArray[np.void]  # [m] of dtype OBSERVATION
    owner: Ints  # [m], the packet of each
    kept: Flags  # [m]: the others are no observations
    left_out: int = 0  # of those wanted

    @classmethod
    def of(
        cls, told: Measured, ends: Ints, latest: Floats, *, detected: bool | Flags, wanted: bool | Flags = True
    ) -> Self:
        """Those of a table whose rows of packet i end at ends[i]; what cannot be, or is not wanted, is left out.

        Args:
            told: [m].
            ends: [n].
            latest: [n], the latest time that each packet may tell of [MJD].
            detected: all or none, or which [m].
            wanted: all, or which [m].
        """
        owner = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        fine = possible(told, latest[owner])
        return cls(table(told, detected), owner, fine & wanted, int(np.count_nonzero(~fine & wanted)))


def table(told: Measured, detected: bool | Flags) -> NDArray[np.void]:
    """Observations [n] of dtype OBSERVATION."""
    rows = np.empty(len(told.mjd_tai), OBSERVATION)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused
        rows["mjd_tai"], rows["flux_njy"], rows["flux_err_njy"] = told.mjd_tai, told.flux_njy, told.flux_err_njy
        rows["band"] = told.band.view(np.uint8)
    rows["detected"] = detected
    return rows


def in_order(own: NDArray[np.void], pasts: Sequence[Past], good: Flags) -> tuple[NDArray[np.void], Ints]:
    """The rows [m] of the good ones among n packets: each one's histories, then its own; and where each one's end."""
    if not sum(len(past.rows) for past in pasts):
        return own.compress(good), np.arange(1, np.count_nonzero(good) + 1)
    parts = [(past.rows, past.owner, past.kept & good[past.owner]) for past in pasts]
    parts.append((own, np.arange(len(own)), good))
    counts = np.stack([np.bincount(owner[kept], minlength=len(own)) for _, owner, kept in parts])  # [parts, n]
    ends = np.cumsum(counts.sum(axis=0))
    starts = ends - counts.sum(axis=0)
    order, before = np.empty(ends[-1] if len(ends) else 0, np.int64), 0
    for (rows, _, kept), count in zip(parts, counts, strict=True):
        which = np.flatnonzero(kept)
        order[np.arange(len(which)) + np.repeat(starts - (np.cumsum(count) - count), count)] = which + before
        starts, before = starts + count, before + len(rows)
    return np.concatenate([rows for rows, _, _ in parts]).take(order), ends[good]


def alerts_of(
    message: Ints,
    sent_ms: Ints,
    good: Flags,
    *,
    alert_ids: Ints,
    objects: Sequence[bytes],
    own: NDArray[np.void],
    pasts: Sequence[Past],
    contexts: NDArray[np.void],
    places_deg: Floats,
) -> Alerts:
    """The alerts of the good ones among n packets, of which everything else tells."""
    rows, ends = in_order(own, pasts, good)
    return Alerts(
        message=message[good],
        alert_ids=alert_ids[good],
        objects=[objects[i] for i in np.flatnonzero(good).tolist()],
        rows=rows,
        ends=ends,
        contexts=contexts[good],
        places_deg=places_deg[good],
        sent_ms=np.maximum(sent_ms[good], 0),
    )


def nothing_known(size: int) -> NDArray[np.void]:
    """Contexts [n] of dtype CONTEXT in which everything is missing."""
    contexts = np.empty(size, CONTEXT)
    contexts["host_photoz"] = contexts["host_photoz_err"] = contexts["mwebv"] = np.nan
    contexts["ddf"] = -1
    return contexts
