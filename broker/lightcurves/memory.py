"""Remember: write a micro-batch's alerts into the light curves, and say what the classifier has to do.

Law 3: a cached state proves itself. It names the artefact that made it, how many entries of the log it has seen and the
last of them. The log only grows and every entry is unique by its stamp, so the same entry at the same place
means the same entries before it. Where the state fits and the new observations come after it in time, the
classifier steps them alone; where it does not (a late observation, a new model, another worker's alert, a lost
state) the whole log is read and the curve is computed again. Deleting a state changes nothing but time.

Law 7: the same alert at another offset is a duplicate; the same offset again is a redelivery and is answered as before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.store import (
    ENTRY,
    Arrival,
    LightCurveStore,
    Tail,
    brought_by,
    entries,
    entry,
    first_seen,
    observation_bytes,
    observations,
)
from model.classifier import Outcome, Run
from model.observation import OBSERVATION, Context, LightCurve

PACKED_CONTEXT = Struct("<fffb")
PACKED_HEADER = Struct(f"<16sII{ENTRY.itemsize}s{OBSERVATION.itemsize}s{PACKED_CONTEXT.size}s")
TIME_AND_BAND = Struct("<d8xBx")  # of an observation's bytes: a light curve's order


class Header(NamedTuple):
    """What stands before the classifier's own bytes in a stored state."""

    artefact: bytes  # first hex digits of its digest
    entries: int  # how many of the log's the state has seen
    observations: int  # how many they are as a set
    last_entry: bytes
    last_observation: bytes  # the latest in time
    context: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Where an arrival's verdict will be: which run of its object, which of the run's verdicts. None: a duplicate."""

    run: int
    verdict: int
    observations: int  # in the light curve up to and with the alert


@dataclass(slots=True)
class Share:
    """One object's share of a micro-batch."""

    key: str
    arrivals: list[Arrival]
    runs: list[Run] = field(default_factory=list)
    answers: list[Answer | None] = field(default_factory=list)  # one an arrival
    header: Header | None = None  # of the state after the last run; None: nothing to save
    stepped: bool = True  # False where the whole curve had to be read


class Memory:
    """The light curves of all objects, as one artefact's classifier needs them."""

    def __init__(self, store: LightCurveStore, artefact_digest: str) -> None:
        self._store = store
        self._artefact = artefact_digest[:16].encode()

    def remember(self, arrivals: Sequence[Arrival]) -> list[Share]:
        """Write the arrivals, then read what is needed to classify each: one round trip, two where a curve is read.

        Raises TransientError when the store is away.
        """
        shares: dict[str, Share] = {}
        for arrival in arrivals:
            shares.setdefault(arrival.key, Share(arrival.key, [])).arrivals.append(arrival)
        known = self._store.read(historic) if (historic := [s.key for s in shares.values() if has_history(s)]) else {}
        new = {
            key: list(new_entries(share.arrivals, entries(known[key]) if key in known else None))
            for key, share in shares.items()
        }
        tails = self._store.append(new) if new else {}
        unfit = [key for key, share in shares.items() if not self._step(share, new[key], tails[key])]
        if unfit:
            for key, log in self._store.read(unfit).items():
                self._recall(shares[key], entries(log), tails[key])
        return list(shares.values())

    def save(self, shares: Sequence[Share], outcomes: Sequence[Sequence[Outcome]]) -> None:
        """Keep each object's last state; `outcomes` holds those of each share's runs."""
        states = {
            share.key: PACKED_HEADER.pack(*share.header) + of_share[-1].state
            for share, of_share in zip(shares, outcomes, strict=True)
            if share.header is not None
        }
        if states:
            self._store.save(states)

    def ping(self) -> None:
        """Return if the store answers. Raises TransientError."""
        self._store.ping()

    def _step(self, share: Share, new: Sequence[bytes], tail: Tail) -> bool:
        """Plan the steady state: the stored state, then the new observations. False where it does not fit."""
        if has_history(share):
            return False
        rows = [observation_bytes(one) for one in new]
        context = share.arrivals[0].alert.context
        known = packed(context)
        seen, before, in_order = 0, None, rows
        if tail.length > len(new):
            header, before = self._unpack(tail.state)
            if (
                header is None
                or header.context != known
                or header.entries + len(new) != tail.length
                or header.last_entry != tail.previous
            ):
                return False
            seen, in_order = header.observations, [header.last_observation, *rows]
        if any(TIME_AND_BAND.unpack(a) >= TIME_AND_BAND.unpack(b) for a, b in pairwise(in_order)):
            return False
        if any(packed(a.alert.context) != known for a in share.arrivals[1:]):
            return False
        n = len(new)
        share.runs = [Run(before, np.frombuffer(b"".join(rows), OBSERVATION), context, tuple(range(n)))]
        share.answers = [Answer(0, i, seen + i + 1) for i in range(n)]
        share.header = Header(self._artefact, tail.length, seen + n, new[-1], rows[-1], known)
        return True

    def _recall(self, share: Share, log: NDArray[np.void], tail: Tail) -> None:
        """Plan from the whole log: each arrival's light curve is the set of the entries up to its first."""
        share.stepped = False
        header, before = self._unpack(tail.state)
        curve: NDArray[np.void] | None = None  # after the last run
        context = None
        seen = 0
        for arrival in share.arrivals:
            index = first_seen(log, arrival)
            if not brought_by(log[index], arrival.message):
                share.answers.append(None)
                continue
            wanted = curve_of(log[: index + 1])
            if curve is not None and packed(arrival.alert.context) == packed(context) and begins(wanted, curve):
                last = share.runs[-1]
                grown = np.concatenate([last.observations, wanted[len(curve) :]])
                share.runs[-1] = Run(last.state, grown, last.context, (*last.readouts, len(grown) - 1))
            else:
                context = arrival.alert.context
                start = self._resumable(header, log[: index + 1], wanted, context)
                state = before if start else None
                share.runs.append(Run(state, wanted[start:], context, (len(wanted) - start - 1,)))
            share.answers.append(Answer(len(share.runs) - 1, len(share.runs[-1].readouts) - 1, len(wanted)))
            curve, seen = wanted, index + 1
        if curve is not None and context is not None:
            if begins(curve, curve_of(log)):  # what follows in the log repeats what is known
                seen = len(log)
            share.header = Header(
                self._artefact, seen, len(curve), log[seen - 1].tobytes(), curve[-1].tobytes(), packed(context)
            )

    def _resumable(
        self, header: Header | None, log: NDArray[np.void], wanted: NDArray[np.void], context: Context
    ) -> int:
        """How many observations of a wanted curve the stored state has seen; 0 where it cannot be used."""
        if header is None or header.context != packed(context) or not 0 < header.entries <= len(log):
            return 0
        if log[header.entries - 1].tobytes() != header.last_entry:
            return 0
        seen = curve_of(log[: header.entries])
        return len(seen) if len(seen) < len(wanted) and begins(wanted, seen) else 0

    def _unpack(self, state: bytes | None) -> tuple[Header | None, bytes | None]:
        """Header and body of a stored state; None where there is none of this artefact."""
        if state is None or len(state) < PACKED_HEADER.size:
            return None, None
        header = Header(*PACKED_HEADER.unpack_from(state))
        if header.artefact != self._artefact:
            return None, None
        return header, state[PACKED_HEADER.size :]


def new_entries(arrivals: Iterable[Arrival], known: NDArray[np.void] | None) -> Iterable[bytes]:
    """The entries that arrivals leave: what is new of each one's history, then its own observation."""
    seen = set(observations(known).tolist()) if known is not None else set()
    for arrival in arrivals:
        for earlier in arrival.alert.history:
            row = as_row(earlier)
            if row not in seen:
                seen.add(row)
                yield entry(arrival, earlier, history=True)
        yield entry(arrival, arrival.alert.observation)
        seen.add(as_row(arrival.alert.observation))


def as_row(observation: tuple[float, float, float, int, bool]) -> tuple[float, float, float, int, bool]:
    """An observation rounded as an entry rounds it."""
    return np.array(tuple(observation), dtype=OBSERVATION).item()  # type: ignore[return-value]


def has_history(share: Share) -> bool:
    """Whether any of an object's alerts carries earlier observations."""
    return any(arrival.alert.history for arrival in share.arrivals)


def curve_of(log: NDArray[np.void]) -> NDArray[np.void]:
    """The light curve [T] of a log [n], dtype OBSERVATION."""
    return LightCurve.of(observations(log)).observations


def begins(longer: NDArray[np.void], shorter: NDArray[np.void]) -> bool:
    """Whether a light curve begins with another."""
    return len(shorter) <= len(longer) and longer[: len(shorter)].tobytes() == shorter.tobytes()


def packed(context: Context | None) -> bytes:
    """A context as the bytes that states are compared by."""
    if context is None:
        return b""
    ddf = -1 if context.ddf is None else context.ddf
    return PACKED_CONTEXT.pack(context.host_photoz, context.host_photoz_err, context.mwebv, ddf)
