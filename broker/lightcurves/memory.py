"""Remember: write a micro-batch's alerts into the light curves, and say what the classifier has to do.

    1. the states of the batch's objects are read: `objects`
    2. what is new of each alert is found: `stepping`, or not, and then `recollection`
    3. new observations are appended to the logs; the answer, a log's length, says whether anybody else has written
    4. objects whose state does not fit are planned from their logs: `recollection`
    5. (after the commit) the new states are saved

Law 3: what is cached is never trusted, see `states`. Law 4: write first, then look: of two workers that append at
once, the one whose log is longer than it should be reads it and sees both. The work of one plan is bounded, see
`effort`. What was appended by a plan that was too much the next one finds again.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.effort import check_work
from broker.lightcurves.entries import cut, entries_of, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.objects import Objects
from broker.lightcurves.plan import Plan, assemble
from broker.lightcurves.recollection import recollected
from broker.lightcurves.states import HEADER, Shelf
from broker.lightcurves.stepping import Steps, columns, steps_of
from broker.lightcurves.store import LightCurveStore, Refused
from broker.lightcurves.told import Messages
from model.alerts import Alerts

MOST_OBSERVATIONS = 20_000  # entries of a log that are read
OFTEN = 8  # a log's expiry is put off when an eighth of it has gone by


class Memory:
    """The light curves of all objects, as one classifier needs them.

    Args:
        store: where they are.
        fingerprint: the classifier's.
        start: [state_bytes], its state before any observation.
        curve_ttl_s: how long the store keeps a light curve after it was told to.
        most_observations: entries of an object's log that are read at most, the newest.
        clock: seconds since 1970.
        saver: the same store on a connection of its own, for the thread that saves.
        era: another one each time that this model is put to work. While it was not, others may have rewritten logs, or
            seen that they were lost: of a state of another era the log's last entry is looked at, as of what may have
            been written before.
    """

    def __init__(
        self,
        store: LightCurveStore,
        fingerprint: bytes,
        start: NDArray[np.uint8],
        *,
        curve_ttl_s: float = 400 * 86_400.0,
        most_observations: int = MOST_OBSERVATIONS,
        clock: Callable[[], float] = time.time,
        saver: LightCurveStore | None = None,
        era: int = 0,
    ) -> None:
        self._store, self._fingerprint, self._start = store, fingerprint, start
        self._saver, self._era = saver or store, era
        self._due_s, self._most, self._clock = curve_ttl_s / OFTEN, most_observations, clock
        self._flying: Mapping[bytes, bytes] = {}  # states of a batch that is being committed

    def remember(self, alerts: Alerts, messages: Messages) -> Plan:
        """Write the alerts, then read what is needed to classify each.

        Raises:
            TransientError: the store is away, or has lost what it held.
            TooMuchError: see there.
        """
        objects = Objects.of(alerts, messages, self._states, self._shelf())  # 1
        objects.note("context")
        self._look_for_what_was_written(objects)
        objects.note("log")
        alert_of_row = objects.alert_of_row()
        rows = columns(alerts, objects.salts[objects.owner[alert_of_row]])
        steps = steps_of(alerts, objects.owner, rows, objects.states, objects.fits, objects.knows)  # 2
        objects.fits = steps.fits
        objects.note("late")
        check_work(np.bincount(alert_of_row[steps.rows], minlength=len(alerts)))
        headers = self._append(objects, steps)  # 3
        objects.note("log")
        pieces = recollected(self._store, objects, self._most)  # 4
        return assemble(objects, self._start, steps, headers, pieces)

    def states_of(self, plan: Plan, bodies: NDArray[np.uint8]) -> list[tuple[bytes, bytes]]:
        """What is to be saved after the commit, once all runs of a plan have ended in bodies [B, state_bytes]."""
        plan.headers["era"] = self._era
        raw = self._shelf().write(plan.headers, bodies[plan.last_run], plan.tails, plan.tail_ends, salts(plan.keys))
        return list(zip(plan.keys, raw, strict=True))

    def took_off(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """A batch is on its way: until it is committed, its states are those that plans see."""
        self._flying = dict(states)

    def save(self, saved: Sequence[tuple[bytes, bytes]], plan: Plan) -> None:
        """After the commit: keep the states, and rewrite logs that are mostly repeats."""
        self._saver.save(saved)  # 5
        for key, length, entries in plan.repeats:
            self._saver.compact(key, length, entries)

    def landed(self) -> None:
        """The batch on its way is committed, or given up: the store alone says what is known."""
        self._flying = {}

    def ping(self) -> None:
        """Return if the store answers. Raises TransientError."""
        self._store.ping()

    def _shelf(self) -> Shelf:
        return Shelf(self._fingerprint, self._store.identity, self._start)

    def _states(self, keys: list[bytes]) -> list[bytes | Refused | None]:
        flying = self._flying
        if not flying:
            return list(self._store.states(keys))
        asked = [key for key in keys if key not in flying]
        found: dict[bytes, bytes | Refused | None] = dict(zip(asked, self._store.states(asked), strict=True))
        return [flying[key] if key in flying else found[key] for key in keys]

    def _look_for_what_was_written(self, objects: Objects) -> None:
        """Objects fit if their state has seen the whole log, new ones if they have none.

        The others find out by what they append. These must know before: where a message may have been written down, or
        there may be more than a state says, a duplicate would leave something behind; and of a history nothing is
        appended that the state has seen, though the log may have lost it.
        """
        states = objects.states
        again = objects.again() | (states.there & (states.headers["era"] != self._era))
        asked = np.flatnonzero((~states.there | objects.history | again) & objects.fits).tolist()
        if not asked:
            return
        lengths = self._store.append([(objects.keys[o], ()) for o in asked], [False] * len(asked))
        for o, length in zip(asked, lengths, strict=True):
            if isinstance(length, Refused):
                objects.refuse(o, length)
            else:
                objects.fits[o] = length == states.headers["entries"][o]
        self._look_at_the_last(objects, [o for o in asked if objects.fits[o] and again[o] and states.there[o]])

    def _look_at_the_last(self, objects: Objects, asked: list[int]) -> None:
        """Of what was written before, a log's length proves nothing: it may have been lost, and grown as long again."""
        keys = [objects.keys[o] for o in asked]
        for o, newest in zip(asked, self._store.read(keys, 1) if keys else [], strict=True):
            if isinstance(newest, Refused):
                objects.refuse(o, newest)
            else:
                entries, _ = parse(newest, int(objects.salts[o]))
                objects.fits[o] = entries["check"].tolist() == [objects.states.headers["last_check"][o]]

    def _append(self, objects: Objects, steps: Steps) -> NDArray[np.void]:
        """Append what is new of the objects that fit; those whose log is longer than it should be do not fit any more.

        Returns the headers [b] of their new states.
        """
        alerts, messages, states = objects.alerts, objects.messages, objects.states
        headers, now_s = np.zeros(len(objects), HEADER), int(self._clock())
        written = np.flatnonzero(steps.counts)
        if not len(written):
            return headers
        of_row = objects.alert_of_row()[steps.logged]
        objects.new_rows += len(of_row)
        made = entries_of(
            alerts.rows[steps.logged],
            alert_ids=alerts.alert_ids[of_row],
            offsets=messages.offsets[of_row],
            sources=messages.sources[of_row],
            history=steps.logged != alerts.ends[of_row] - 1,
            salts=objects.salts[objects.owner[of_row]],
        )
        age_s = np.abs(now_s - states.headers["refreshed_s"].astype(np.int64))
        refresh = ~states.there | (age_s > self._due_s)
        counts = steps.counts[written]
        pushed = zip(written.tolist(), cut(made, counts), strict=True)
        lengths = self._store.append([(objects.keys[o], some) for o, some in pushed], refresh[written].tolist())
        known = states.headers["entries"][written] + counts
        for o, length, wanted in zip(written.tolist(), lengths, known.tolist(), strict=True):
            if isinstance(length, Refused):
                objects.refuse(o, length)
            elif length != wanted:
                objects.fits[o] = False
        headers["entries"][written] = known
        headers["observations"] = states.headers["observations"] + steps.counts
        headers["last_check"][written] = made["check"][np.cumsum(counts) - 1]
        headers["refreshed_s"] = np.where(refresh, now_s, states.headers["refreshed_s"])
        headers["last_mjd"], headers["last_band"] = steps.last_mjd, steps.last_band
        headers["context"][objects.owner] = alerts.contexts
        headers["knows_rows"] = objects.knows
        return headers
