"""A classifier with nothing to hide: its state is a fingerprint of the curve it has seen, its verdict tells it."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b, shake_128
from typing import Any

import numpy as np

from model.features import contexts
from model.observation import Context, LightCurve, Observation
from model.runs import Runs, Verdicts
from model.taxonomy import CLASSES
from tests.support.columns import Arrival
from tests.support.verdicts import said as said_of

STATE_BYTES = 32
START = bytes(STATE_BYTES)

Verdict = tuple[float, ...]  # 14 probabilities, p99, anomaly score, flag


def grown(state: bytes, row: bytes, context: bytes) -> bytes:
    """The state after one more observation; the first one takes in the context."""
    before = blake2b(context, digest_size=STATE_BYTES).digest() if state == START else state
    return blake2b(before + row, digest_size=STATE_BYTES).digest()


def verdict(state: bytes) -> Verdict:
    """What is said of a curve: no two have the same."""
    numbers = np.frombuffer(shake_128(state).digest(2 * (len(CLASSES) + 3)), np.uint16)
    return *numbers[:-1].astype(float).tolist(), float(numbers[-1] % 8 == 0)


def verdict_on(curve: np.ndarray, context: Context) -> Verdict:
    """What is said of a whole light curve."""
    state = START
    known = contexts([context]).tobytes()
    for row in curve:
        state = grown(state, row.tobytes(), known)
    return verdict(state)


class Echo:
    """Stands in for a classifier."""

    start_state = np.zeros(STATE_BYTES, np.uint8)

    def __init__(self, digest: str = "a") -> None:
        self.fingerprint = blake2b(digest.encode(), digest_size=8).digest()

    def classify(self, runs: Runs) -> tuple[Verdicts, np.ndarray]:
        said, states = {}, []
        wanted = set(runs.readouts.tolist())
        assert runs.readouts.tolist() == sorted(wanted), "readouts ascend"
        begun = 0
        for i, end in enumerate(runs.ends.tolist()):
            assert end > begun, "a run has an observation"
            state, context = runs.states[i].tobytes(), runs.contexts[i].tobytes()
            for place in range(begun, end):
                state = grown(state, runs.rows[place].tobytes(), context)
                if place in wanted:
                    said[place] = verdict(state)
            states.append(np.frombuffer(state, np.uint8))
            begun = end
        assert begun == len(runs.rows)
        rows = np.array([said[place] for place in runs.readouts.tolist()], np.float32).reshape(-1, len(CLASSES) + 3)
        verdicts = said_of(rows[:, :14], rows[:, 14], rows[:, 15], rows[:, 16] > 0)
        return verdicts, np.stack(states) if states else np.empty((0, STATE_BYTES), np.uint8)


def told(verdicts: Verdicts, i: int) -> Verdict:
    """One of several verdicts."""
    head = (*verdicts.probabilities[i].tolist(), float(verdicts.p99[i]), float(verdicts.anomaly_scores[i]))
    return *head, float(verdicts.anomalies[i])


def expected(arrivals: Iterable[Arrival]) -> dict[tuple[int, int], Any]:
    """Law 5 itself: by partition and offset, the verdict on the set of what arrived up to and with the alert.

    None for a duplicate: the same alert came before from another place; it leaves nothing behind.
    """
    seen: dict[bytes, list[Observation]] = {}
    first: dict[tuple[bytes, int, float, int], tuple[int, int]] = {}
    answers: dict[tuple[int, int], Any] = {}
    for arrival in arrivals:
        alert = arrival.alert
        same = alert.key, alert.alert_id, alert.observation.mjd_tai, alert.observation.band
        owner = first.setdefault(same, arrival.place)
        if owner == arrival.place:
            seen.setdefault(alert.key, []).extend((*alert.history, alert.observation))
        if arrival.place not in answers:
            curve = LightCurve.of(seen[alert.key]).observations
            answers[arrival.place] = verdict_on(curve, alert.context) if owner == arrival.place else None
    return answers


def answers_of(verdicts: Verdicts, plan: Any, arrivals: Sequence[Arrival]) -> dict[tuple[int, int], Any]:
    """What a plan answers, by partition and offset."""
    found = zip(arrivals, plan.verdicts.tolist(), strict=True)
    return {a.place: told(verdicts, i) if i >= 0 else None for a, i in found}
