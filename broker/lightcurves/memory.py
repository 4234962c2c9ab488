"""Remember: write a micro-batch's alerts into the light curves, and say what the classifier has to do.

    1. the states of the batch's objects are read
    2. what is new of each alert is found: `stepping`, or not, and then `recall`
    3. new observations are appended to the logs; the answer, a log's length, says whether anybody else has written
    4. objects whose state does not fit are planned from their logs: `recall`
    5. (after the commit) the new states are saved

Law 3: what is cached is never trusted, see `states`. Law 4: write first, then look: of two workers that append at
once, the one whose log is longer than it should be reads it and sees both. The work of one plan is bounded:
`TooMuchError` says how many alerts a smaller batch may have. What was appended by then the next plan finds again.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.entries import cut, cut_all, entries_of, observations
from broker.lightcurves.hashes import salts
from broker.lightcurves.plan import Answers, Piece, Plan, assemble
from broker.lightcurves.recall import Log, Recalled, compacted, entries_for, missing, recall
from broker.lightcurves.states import HEADER, Shelf, States
from broker.lightcurves.stepping import Steps, columns, steps_of, tail_of
from broker.lightcurves.store import LightCurveStore, Refused
from broker.lightcurves.told import Messages, Told, told_of
from model.alerts import Alerts
from model.features import CONTEXT

MOST_STEPS = 100_000  # observations that one plan gives to the classifier: about a second of one core
MOST_OBSERVATIONS = 20_000  # entries of a log that are read
OFTEN = 8  # a log's expiry is put off when an eighth of it has gone by
ROUNDS = 3  # of appending and reading again, where others write the same objects


class TooMuchError(Exception):
    """The alerts are more work than one plan may be; `alerts` of them, from the first on, are not."""

    def __init__(self, alerts: int) -> None:
        super().__init__(f"at most {alerts} alerts at once")
        self.alerts = alerts


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
    ) -> None:
        self._store, self._fingerprint, self._start = store, fingerprint, start
        self._saver = saver or store
        self._due_s, self._most, self._clock = curve_ttl_s / OFTEN, most_observations, clock
        self._flying: Mapping[bytes, bytes] = {}  # states of a batch that is being committed

    def remember(self, alerts: Alerts, messages: Messages) -> Plan:
        """Write the alerts, then read what is needed to classify each.

        Raises:
            TransientError: the store is away, or has lost what it held.
            TooMuchError: see there.
        """
        keys, owner = alerts.grouped()
        salt = salts(keys)
        stored = self._states(keys)
        shelf = Shelf(self._fingerprint, self._store.identity, self._start)
        states = shelf.read([None if isinstance(s, Refused) else s for s in stored], salt)
        refused = {i: s.reason for i, s in enumerate(stored) if isinstance(s, Refused)}
        history = np.bincount(owner, alerts.ends - alerts.starts, len(keys)) > np.bincount(owner, minlength=len(keys))
        knows = np.where(states.there, states.headers["knows_rows"] > 0, history)
        rows = columns(alerts, np.repeat(salt[owner], alerts.ends - alerts.starts))
        fits = self._may_step(alerts, owner, states, history & ~knows)
        fits[list(refused)] = False
        doubted = ~states.there | history
        doubted[owner[messages.again]] = True
        self._look_for_what_was_written(np.flatnonzero(doubted & fits), keys, states, fits, refused)
        steps = steps_of(alerts, owner, rows, states, fits, knows)
        check_work(np.bincount(owner_of_rows(alerts)[steps.rows], minlength=len(alerts)))
        headers = self._append(alerts, messages, owner, keys, salt, states, steps, knows, refused)
        pieces, answers = self._recall(alerts, messages, owner, keys, salt, states, steps.fits, knows, refused)
        return assemble(alerts, owner, keys, states, self._start, steps, headers, pieces, answers, refused)

    def states_of(self, plan: Plan, bodies: NDArray[np.uint8]) -> list[tuple[bytes, bytes]]:
        """What is to be saved after the commit, once all runs of a plan have ended in bodies [B, state_bytes]."""
        shelf = Shelf(self._fingerprint, self._store.identity, self._start)
        raw = shelf.write(plan.headers, bodies[plan.last_run], plan.tails, plan.tail_ends, salts(plan.keys))
        return list(zip(plan.keys, raw, strict=True))

    def took_off(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """A batch is on its way: until it is committed, its states are those that plans see."""
        self._flying = dict(states)

    def save(self, saved: Sequence[tuple[bytes, bytes]], plan: Plan) -> None:
        """After the commit: keep the states, and rewrite logs that are mostly repeats."""
        self._saver.save(saved)
        for key, length, entries in plan.repeats:
            self._saver.compact(key, length, entries)

    def landed(self) -> None:
        """The batch on its way is committed, or given up: the store alone says what is known."""
        self._flying = {}

    def ping(self) -> None:
        """Return if the store answers. Raises TransientError."""
        self._store.ping()

    def _states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        flying = self._flying
        if not flying:
            return list(self._store.states(keys))
        asked = [key for key in keys if key not in flying]
        found: dict[bytes, bytes | Refused | None] = dict(zip(asked, self._store.states(asked), strict=True))
        return [flying[key] if key in flying else found[key] for key in keys]

    def _may_step(
        self,
        alerts: Alerts,
        owner: NDArray[np.int64],
        states: States,
        unknown: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Which objects [b] may fit: the state's context, and no history that it cannot know."""
        fits = ~unknown
        first = np.full(len(fits), -1)
        first[owner[::-1]] = np.arange(len(owner))[::-1]
        assumed = states.headers["context"].copy()
        assumed[~states.there] = alerts.contexts[first[~states.there]]
        size = CONTEXT.itemsize
        told = np.frombuffer(alerts.contexts.tobytes(), np.uint8).reshape(-1, size)
        known = np.frombuffer(assumed.tobytes(), np.uint8).reshape(-1, size)
        fits[owner[(told != known[owner]).any(axis=1)]] = False
        return fits

    def _look_for_what_was_written(
        self,
        asked: NDArray[np.int64],
        keys: list[bytes],
        states: States,
        fits: NDArray[np.bool_],
        refused: dict[int, str],
    ) -> None:
        """Objects fit if their state has seen the whole log, new ones if they have none.

        The others find out by what they append. These must know before: where a message may have been written down, or
        there may be more than a state says, a duplicate would leave something behind; and of a history nothing is
        appended that the state has seen, though the log may have lost it.
        """
        nothing = [(keys[o], ()) for o in asked.tolist()]
        lengths = self._store.append(nothing, [False] * len(nothing)) if nothing else []
        for o, length in zip(asked.tolist(), lengths, strict=True):
            if isinstance(length, Refused):
                refused[o] = length.reason
            fits[o] = o not in refused and length == states.headers["entries"][o]

    def _append(
        self,
        alerts: Alerts,
        messages: Messages,
        owner: NDArray[np.int64],
        keys: list[bytes],
        salt: NDArray[np.uint64],
        states: States,
        steps: Steps,
        knows: NDArray[np.bool_],
        refused: dict[int, str],
    ) -> NDArray[np.void]:
        """Append what is new of the objects that fit; those whose log is longer than it should be do not fit any more.

        Returns the headers [b] of their new states.
        """
        of_row = owner_of_rows(alerts)[steps.logged]
        made = entries_of(
            alerts.rows[steps.logged],
            alert_ids=alerts.alert_ids[of_row],
            offsets=messages.offsets[of_row],
            sources=messages.sources[of_row],
            history=steps.logged != alerts.ends[of_row] - 1,
            salts=salt[owner[of_row]],
        )
        objects = np.flatnonzero(steps.counts)
        headers, now_s = np.zeros(len(keys), HEADER), int(self._clock())
        age_s = np.abs(now_s - states.headers["refreshed_s"].astype(np.int64))
        refresh = ~states.there | (age_s > self._due_s)
        if not len(objects):
            return headers
        counts = steps.counts[objects]
        ends = np.cumsum(counts)
        lengths = self._store.append(
            [(keys[o], some) for o, some in zip(objects.tolist(), cut(made, counts), strict=True)],
            refresh[objects].tolist(),
        )
        known = states.headers["entries"][objects] + counts
        for o, length, wanted in zip(objects.tolist(), lengths, known.tolist(), strict=True):
            if isinstance(length, Refused):
                refused[o] = length.reason
                steps.fits[o] = False
            elif length != wanted:
                steps.fits[o] = False
        headers["entries"][objects] = known
        headers["observations"] = states.headers["observations"] + steps.counts
        headers["last_check"][objects] = made["check"][ends - 1]
        headers["refreshed_s"] = np.where(refresh, now_s, states.headers["refreshed_s"])
        headers["last_mjd"], headers["last_band"] = steps.last_mjd, steps.last_band
        headers["context"][owner] = alerts.contexts
        headers["knows_rows"] = knows
        return headers

    def _recall(
        self,
        alerts: Alerts,
        messages: Messages,
        owner: NDArray[np.int64],
        keys: list[bytes],
        salt: NDArray[np.uint64],
        states: States,
        fits: NDArray[np.bool_],
        knows: NDArray[np.bool_],
        refused: dict[int, str],
    ) -> tuple[dict[int, Piece], Answers]:
        answers = Answers()
        pieces: dict[int, Piece] = {}
        wanted = [o for o in np.flatnonzero(~fits).tolist() if o not in refused]
        if not wanted:
            return pieces, answers
        told = told_of(alerts, messages, owner, set(wanted))
        logs = self._logs(wanted, keys, salt, told, refused, answers)
        known, last = states.headers["entries"], states.headers["last_check"]
        if lost := [keys[o] for o, log in logs.items() if states.there[o] and not log.has(int(known[o]), int(last[o]))]:
            self._store.forget(lost)  # or they would fit again once the log had grown as long as it was
        cost = np.zeros(len(alerts), np.int64)
        for o, log in logs.items():
            header = states.headers[o : o + 1]
            seen = (int(header["entries"][0]), int(header["last_check"][0])) if states.there[o] else None
            done = recall(log, told[o], seen, header["context"], MOST_STEPS)
            for answer in done.answers:
                cost[answer.alert] = answer.cost
            if cost.sum() > MOST_STEPS:  # where an object was not planned to its end, it is
                check_work(cost)
            pieces[o] = self._piece(keys[o], salt[o : o + 1], log, told[o], done, states.bodies[o], bool(knows[o]))
        check_work(cost)
        return pieces, answers

    def _logs(
        self,
        wanted: list[int],
        keys: list[bytes],
        salt: NDArray[np.uint64],
        told: Mapping[int, list[Told]],
        refused: dict[int, str],
        answers: Answers,
    ) -> dict[int, Log]:
        """The objects' logs, once each holds all of its alerts."""
        logs: dict[int, Log] = {}
        for _ in range(ROUNDS):
            lacking: list[tuple[int, NDArray[np.void]]] = []
            for o, stored in zip(wanted, self._store.read([keys[o] for o in wanted], self._most), strict=True):
                if isinstance(stored, Refused):
                    refused[o] = stored.reason
                    logs.pop(o, None)
                    continue
                log = logs[o] = Log.of(stored, int(salt[o]), before=len(stored) >= self._most)
                answers.unreadable += int((~log.good).sum())
                if not log.before and (kept := compacted(log, stored)) is not None:
                    answers.repeats[o] = (keys[o], len(stored), kept)
                new = [entries_for(t, rows, history, salt[o]) for t, rows, history in missing(log, told[o])]
                if new:
                    lacking.append((o, np.concatenate(new)))
            if lacking:
                wanted = self._complete(lacking, keys, salt, logs, refused, answers)
            if not lacking or not wanted:
                return logs
        return logs

    def _complete(
        self,
        lacking: list[tuple[int, NDArray[np.void]]],
        keys: list[bytes],
        salt: NDArray[np.uint64],
        logs: dict[int, Log],
        refused: dict[int, str],
        answers: Answers,
    ) -> list[int]:
        """Append what logs lack; which of them must be read again, since somebody else has written meanwhile."""
        lengths = self._store.append([(keys[o], cut_all(made)) for o, made in lacking], [True] * len(lacking))
        again = []
        for (o, made), length in zip(lacking, lengths, strict=True):
            if isinstance(length, Refused):
                refused[o] = length.reason
                del logs[o]
            elif logs[o].before or length != len(logs[o]) + len(made):
                again.append(o)
            else:
                logs[o] = Log.of([*cut_all(logs[o].entries), *cut_all(made)], int(salt[o]))
                if o in answers.repeats:
                    answers.repeats[o] = keys[o], length, [*answers.repeats[o][2], *cut_all(made)]
        return again

    def _piece(
        self,
        key: bytes,
        salt: NDArray[np.uint64],
        log: Log,
        told: Sequence[Told],
        done: Recalled,
        state: NDArray[np.uint8],
        knows: bool,
    ) -> Piece:
        header, tail = np.zeros(1, HEADER), np.empty(0, np.uint32)
        knows = knows or any(len(t.rows) > 1 for t in told)
        if done.curve is not None:
            header["entries"], header["observations"] = done.entries, len(done.curve)
            header["last_check"] = log.entries["check"][done.entries - 1]
            header["refreshed_s"] = 0  # with the next alert
            header["last_mjd"], header["last_band"] = done.curve["mjd_tai"][-1], done.curve["band"][-1]
            header["context"], header["knows_rows"] = done.runs[-1].context, knows
            if knows:
                own = observations(log.entries[: done.entries][log.good[: done.entries]])
                tail = tail_of(np.concatenate([own, *(t.rows for t in told if log.owned_by(t, done.entries))]), salt[0])
        return Piece(key, done, state, header, tail)


def owner_of_rows(alerts: Alerts) -> NDArray[np.int64]:
    """The alert [m] of each row."""
    return np.repeat(np.arange(len(alerts)), alerts.ends - alerts.starts)


def check_work(cost: NDArray[np.int64]) -> None:
    """Raise TooMuchError where alerts [n] that cost so many steps each are more than one plan may be."""
    total = np.cumsum(cost)
    if len(cost) > 1 and total[-1] > MOST_STEPS:
        raise TooMuchError(max(1, int(np.searchsorted(total, MOST_STEPS, side="right"))))
