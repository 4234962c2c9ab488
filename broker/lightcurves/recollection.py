"""Objects whose state may not be stepped on, planned from their logs: read, completed with what they lack, recalled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves import effort
from broker.lightcurves.effort import check_work
from broker.lightcurves.entries import cut_all, observations
from broker.lightcurves.objects import Objects
from broker.lightcurves.recall import Log, Recalled, compacted, entries_for, missing, recall
from broker.lightcurves.states import HEADER
from broker.lightcurves.stepping import tail_of
from broker.lightcurves.store import LightCurveStore, Refused
from broker.lightcurves.told import Told, told_of

ROUNDS = 3  # of appending and reading again, where others write the same objects

Lacking = list[tuple[int, NDArray[np.void]]]  # objects, and the entries that their logs lack


@dataclass(slots=True)
class Piece:
    """One recalled object's share of a plan."""

    key: bytes
    recalled: Recalled
    state: NDArray[np.uint8]
    header: NDArray[np.void]  # [1]
    tail: NDArray[np.uint32]


def recollected(store: LightCurveStore, objects: Objects, most: int) -> dict[int, Piece]:
    """The shares of all objects that do not fit. Raises TransientError, TooMuchError.

    Args:
        store: has the logs.
        objects: of the batch.
        most: entries of a log that are read, the newest.
    """
    wanted = [o for o in np.flatnonzero(~objects.fits).tolist() if o not in objects.refused]
    if not wanted:
        return {}
    told = told_of(objects.alerts, objects.messages, objects.owner, set(wanted))
    logs = whole_logs(store, objects, wanted, told, most)
    seen = {o: seen_by(objects, o) for o in logs}
    if outdated := [objects.keys[o] for o, log in logs.items() if (known := seen[o]) and not log.has(*known)]:
        store.forget(outdated)  # or they would fit again once the log had grown as long as it was
    cost = np.zeros(len(objects.alerts), np.int64)
    pieces: dict[int, Piece] = {}
    for o, log in logs.items():
        done = recall(
            log, told[o], seen_by(objects, o), objects.states.headers["context"][o : o + 1], effort.MOST_STEPS
        )
        for answer in done.answers:
            cost[answer.alert] = answer.cost
        if cost.sum() > effort.MOST_STEPS:  # where an object was not planned to its end, it is
            check_work(cost)
        pieces[o] = piece_of(objects, o, log, told[o], done)
    check_work(cost)
    return pieces


def seen_by(objects: Objects, o: int) -> tuple[int, int] | None:
    """How many entries an object's state has seen, and the checksum of the last; None where it has none."""
    if not objects.states.there[o]:
        return None
    header = objects.states.headers[o]
    return int(header["entries"]), int(header["last_check"])


def whole_logs(
    store: LightCurveStore, objects: Objects, wanted: list[int], told: Mapping[int, list[Told]], most: int
) -> dict[int, Log]:
    """The logs of some objects, once each holds all of its alerts."""
    logs: dict[int, Log] = {}
    for _ in range(ROUNDS):
        lacking: Lacking = []
        for o, stored in zip(wanted, store.read([objects.keys[o] for o in wanted], most), strict=True):
            if isinstance(stored, Refused):
                objects.refuse(o, stored)
                logs.pop(o, None)
                continue
            log = logs[o] = Log.of(stored, int(objects.salts[o]), before=len(stored) >= most)
            objects.unreadable += int((~log.good).sum())
            if not log.before and (kept := compacted(log, stored)) is not None:
                objects.repeats[o] = (objects.keys[o], len(stored), kept)
            new = [entries_for(t, rows, history, objects.salts[o]) for t, rows, history in missing(log, told[o])]
            if new:
                lacking.append((o, np.concatenate(new)))
        if lacking:
            wanted = complete(store, objects, lacking, logs)
        if not lacking or not wanted:
            return logs
    return logs


def complete(store: LightCurveStore, objects: Objects, lacking: Lacking, logs: dict[int, Log]) -> list[int]:
    """Append what logs lack; which of them must be read again, since somebody else has written meanwhile."""
    lengths = store.append([(objects.keys[o], cut_all(made)) for o, made in lacking], [True] * len(lacking))
    again = []
    objects.new_rows += sum(len(made) for _, made in lacking)
    for (o, made), length in zip(lacking, lengths, strict=True):
        if isinstance(length, Refused):
            objects.refuse(o, length)
            del logs[o]
        elif logs[o].before or length != len(logs[o]) + len(made):
            again.append(o)
        else:
            logs[o] = Log.of([*cut_all(logs[o].entries), *cut_all(made)], int(objects.salts[o]))
            if o in objects.repeats:
                key, _, kept = objects.repeats[o]
                objects.repeats[o] = key, length, [*kept, *cut_all(made)]
    return again


def piece_of(objects: Objects, o: int, log: Log, told: Sequence[Told], done: Recalled) -> Piece:
    """An object's share of a plan, with the header and the rows seen of its new state."""
    header, tail = np.zeros(1, HEADER), np.empty(0, np.uint32)
    if done.curve is not None:
        knows = bool(objects.knows[o]) or any(len(t.rows) > 1 for t in told)
        header["entries"], header["observations"] = done.entries, len(done.curve)
        header["last_check"] = log.entries["check"][done.entries - 1]
        header["refreshed_s"] = 0  # with the next alert
        header["last_mjd"], header["last_band"] = done.curve["mjd_tai"][-1], done.curve["band"][-1]
        header["context"], header["knows_rows"] = done.runs[-1].context, knows
        if knows:
            own = observations(log.entries[: done.entries][log.good[: done.entries]])
            rows = np.concatenate([own, *(t.rows for t in told if log.owned_by(t, done.entries))])
            tail = tail_of(rows, objects.salts[o])
    return Piece(objects.keys[o], done, objects.states.bodies[o], header, tail)
