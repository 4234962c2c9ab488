"""The rare path: an object whose state does not fit is planned from its whole log, alert by alert.

A late observation, a state that was lost, another worker's alert, a message that is read again: here what an alert
means is looked up, not assumed. The log is in arrival order, and an alert's light curve is the set of the entries up to
and with its own (law 5), the same after any crash.

Law 7: the same alert at another offset is a duplicate, and leaves nothing behind; the same offset again is a
redelivery: it is answered as before, and appended only where the log lacks it, so a batch done again leaves one copy.
Which of two messages with one alert came first is told by the log alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.entries import BAND, HISTORY, entries_of, parse
from broker.lightcurves.entries import observations as observations_of
from broker.lightcurves.told import Told
from model.observation import LightCurve

Place = tuple[float, int]  # time and band
Quality = tuple[bool, float, float]  # of two rows at one place the larger is kept: see LightCurve.of

MOSTLY_REPEATS = 2  # a log so many times as long as what differs in it is rewritten
SHORT = 64  # entries: what is shorter is never rewritten


class Answered(NamedTuple):
    """What is to be published for an alert: a verdict of a run, or that it is a duplicate."""

    alert: int
    run: int  # -1: a duplicate
    readout: int  # which row of the run
    observations: int  # of the light curve, up to and with the alert
    cost: int  # rows to step for it


@dataclass(slots=True)
class Run:
    """Rows of one object that go through the classifier together."""

    resumed: bool  # from the stored state; else from the beginning
    rows: list[NDArray[np.void]]
    context: NDArray[np.void]
    length: int = 0


@dataclass(slots=True)
class Log:
    """An object's log as it was read, and what is known from it."""

    entries: NDArray[np.void]  # [n] of dtype ENTRY
    good: NDArray[np.bool_]  # [n]
    before: bool = False  # whether there are older entries, which were not read
    first: dict[tuple[int, float, int], int] = field(default_factory=dict)  # an alert, time and band: its first entry
    best: dict[Place, Quality] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Sequence[bytes], salt: int, *, before: bool = False) -> "Log":
        """A log [n] of an object, or its newest entries."""
        entries, good = parse(raw, salt)
        log = cls(entries, good, before)
        own = (entries["flags"] & HISTORY) == 0
        bands = entries["flags"] & BAND
        for i in np.flatnonzero(good & own).tolist():
            log.first.setdefault((int(entries["alert_id"][i]), float(entries["mjd_tai"][i]), int(bands[i])), i)
        for row in observations_of(entries[good]):
            log.learn(row)
        return log

    def learn(self, row: np.void) -> bool:
        """Take note of a row; whether it changes the light curve."""
        mjd, flux, error, band, detected = row.item()
        quality: Quality = (bool(detected), -float(error), float(flux))
        known = self.best.get((mjd, band))
        if known is not None and known >= quality:
            return False
        self.best[mjd, band] = quality
        return True

    def brought(self, index: int, told: Told) -> bool:
        """Whether an alert's very message left an entry."""
        entry = self.entries[index]
        return bool(entry["source"] == told.source and entry["offset"] == told.offset)

    def has(self, entries: int, last_check: int) -> bool:
        """Whether a state that has seen so many entries, the last with that checksum, can be of this log."""
        return self.before or (entries <= len(self) and bool(self.entries["check"][entries - 1] == last_check))

    def owned_by(self, told: Told, end: int) -> bool:
        """Whether an alert's very message left the first entry of the alert, and did so before an end."""
        index = self.first.get(identity_of(told), end)
        return index < end and self.brought(index, told)

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(slots=True)
class Recalled:
    """How an object's share of a batch is classified, and what its state will say."""

    runs: list[Run] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    curve: NDArray[np.void] | None = None  # after the last run
    entries: int = 0  # that this is of


def missing(log: Log, alerts: Sequence[Told]) -> Iterator[tuple[Told, NDArray[np.void], bool]]:
    """What an object's log lacks of its alerts: the alert, rows [k] of dtype OBSERVATION, whether they are history.

    A row of a history is lacking where it changes the light curve, and no other row of the alert takes its place, as in
    `stepping`; an alert's own where neither this message nor another one with the same alert has left it.
    """
    pending: set[tuple[int, float, int]] = set()
    for told in alerts:
        own = told.rows[-1]
        identity = identity_of(told)
        if identity in log.first or identity in pending:
            continue
        pending.add(identity)
        lacking = [row for row in curve_of(told.rows) if log.learn(row) and row.tobytes() != own.tobytes()]
        if lacking:
            yield told, np.array(lacking, dtype=told.rows.dtype), True
        log.learn(own)
        yield told, told.rows[-1:], False


def identity_of(told: Told) -> tuple[int, float, int]:
    """What makes two alerts of one object the same: number, time and band."""
    own = told.rows[-1]
    return told.alert_id, float(own["mjd_tai"]), int(own["band"])


def recall(
    log: Log, alerts: Sequence[Told], seen: tuple[int, int] | None, context: NDArray[np.void], most: float = inf
) -> Recalled:
    """Plan an object's alerts from a log that holds them all; no more of them once they cost too much together.

    Args:
        log: of the object, after what was missing has been appended.
        alerts: of the batch, in order.
        seen: how many entries the stored state has seen, and the checksum of the last; None where none fits.
        context: one of dtype CONTEXT, which the stored state assumes.
        most: rows to step, after which no more is planned.
    """
    done = Recalled()
    rows = observations_of(log.entries)
    cost = 0
    for told in alerts:
        if cost > most:
            break
        index = log.first.get(identity_of(told))
        if index is None or not log.brought(index, told):
            done.answers.append(Answered(told.alert, -1, 0, 0, 0))
            continue
        end = index + 1
        if done.curve is None or end < done.entries:
            wanted = curve_of(rows[:end][log.good[:end]])
        else:
            wanted = grown(done.curve, rows[done.entries : end][log.good[done.entries : end]])
        run = done.runs[-1] if done.runs else None
        if (
            run is not None
            and done.curve is not None
            and same(told.context, run.context)
            and len(wanted) > len(done.curve)
            and begins(wanted, done.curve)
        ):
            fresh = wanted[len(done.curve) :]
        elif run is not None and same(told.context, run.context) and done.curve is wanted:
            fresh = wanted[:0]
        else:
            start = resumable(log, seen, wanted, end) if seen and same(told.context, context) else 0
            run = Run(start > 0, [], told.context)
            done.runs.append(run)
            fresh = wanted[start:]
        run.rows.append(fresh)
        run.length += len(fresh)
        cost += len(fresh)
        done.answers.append(Answered(told.alert, len(done.runs) - 1, run.length - 1, len(wanted), len(fresh)))
        done.curve, done.entries = wanted, end
    if done.curve is not None:
        rest = rows[done.entries :][log.good[done.entries :]]
        if grown(done.curve, rest) is done.curve:  # what follows in the log repeats what is known
            done.entries = len(log)
    return done


def resumable(log: Log, seen: tuple[int, int] | None, wanted: NDArray[np.void], end: int) -> int:
    """How many observations of a wanted curve the stored state has seen; 0 where it cannot be used."""
    if seen is None or log.before or not 0 < seen[0] <= end or log.entries["check"][seen[0] - 1] != seen[1]:
        return 0
    if not log.good[: seen[0]].all():  # the state may have seen an entry before it was damaged
        return 0
    known = curve_of(observations_of(log.entries[: seen[0]])[log.good[: seen[0]]])
    return len(known) if len(known) < len(wanted) and begins(wanted, known) else 0


def grown(curve: NDArray[np.void], rows: NDArray[np.void]) -> NDArray[np.void]:
    """A light curve [T] with more rows [k]; the same array where they change nothing."""
    if not len(rows):
        return curve
    more = curve_of(rows)
    if len(curve) and (more["mjd_tai"][0], more["band"][0]) > (curve["mjd_tai"][-1], curve["band"][-1]):
        return np.concatenate([curve, more])
    union = curve_of(np.concatenate([curve, more]))
    return curve if len(union) == len(curve) and begins(union, curve) else union


def curve_of(rows: NDArray[np.void]) -> NDArray[np.void]:
    """The light curve [T] of observations [n], dtype OBSERVATION."""
    return LightCurve.of(rows).observations


def same(one: NDArray[np.void], other: NDArray[np.void]) -> bool:
    """Whether two contexts are the same, what is unknown in both included: as numbers, two NaN never are."""
    return one.tobytes() == other.tobytes()


def begins(longer: NDArray[np.void], shorter: NDArray[np.void]) -> bool:
    """Whether a light curve begins with another."""
    return len(shorter) <= len(longer) and longer[: len(shorter)].tobytes() == shorter.tobytes()


def compacted(log: Log, raw: Sequence[bytes]) -> list[bytes] | None:
    """The log's good entries, each once, where most of it is repeats; every prefix is still the same set."""
    kept = list(dict.fromkeys(one for one, good in zip(raw, log.good.tolist(), strict=True) if good))
    return kept if len(raw) > max(SHORT, MOSTLY_REPEATS * len(kept)) else None


def entries_for(told: Told, rows: NDArray[np.void], history: bool, salt: np.uint64) -> NDArray[np.void]:
    """The entries [k] that an alert leaves for rows [k], all of them history or none."""
    size = len(rows)
    return entries_of(
        rows,
        alert_ids=np.full(size, told.alert_id, np.int64),
        offsets=np.full(size, told.offset, np.int64),
        sources=np.full(size, told.source, np.uint32),
        history=np.full(size, history),
        salts=np.full(size, salt, np.uint64),
    )
