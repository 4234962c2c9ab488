"""A classifier with nothing to hide: its state is the curve it has seen, its verdict a picture of that curve."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import shake_128
from typing import Any

import numpy as np

from broker.lightcurves.store import Arrival
from model.classifier import Outcome, Run, Verdict
from model.observation import Context, LightCurve, Observation
from model.taxonomy import CLASSES

Judge = Callable[[bytes, Context], Any]
ORIGIN_BYTES = 8


def bare(seen: bytes, context: Context) -> Any:
    """What was seen, as a verdict."""
    return seen, context


def fingerprint(seen: bytes, context: Context) -> Verdict:
    """What was seen, as a verdict that can be published: no two curves have the same."""
    numbers = np.frombuffer(shake_128(seen + repr(context).encode()).digest(2 * (len(CLASSES) + 3)), np.uint16)
    p99, anomaly_score, flag = numbers[len(CLASSES) :].tolist()
    return Verdict(numbers[: len(CLASSES)].astype(np.float32), float(p99), float(anomaly_score), flag % 8 == 0)


def origin(digest: str, context: Context) -> bytes:
    """What a state was made with, apart from the curve."""
    return shake_128(f"{digest[:16]} {context}".encode()).digest(ORIGIN_BYTES)


def echo(runs: Sequence[Run], digest: str, judge: Judge = bare) -> list[Outcome]:
    """One outcome a run; a state begins with its origin, then comes the curve."""
    outcomes = []
    for run in runs:
        made = origin(digest, run.context)
        assert run.state is None or run.state.startswith(made), "the state of another model or context"
        seen = (run.state or made)[len(made) :]
        verdicts = []
        for i, row in enumerate(run.observations):
            seen += row.tobytes()
            verdicts += [judge(seen, run.context)] * run.readouts.count(i)
        outcomes.append(Outcome(verdicts, made + seen))
    return outcomes


def expected(arrivals: Iterable[Arrival], judge: Judge = bare) -> dict[tuple[int, int], Any]:
    """Law 5 itself: by partition and offset, the verdict on the set of what arrived up to and with the alert.

    None for a duplicate: the same alert came before from another place.
    """
    seen: dict[str, list[Observation]] = {}
    first: dict[tuple[str, int, float, int], tuple[int, int]] = {}
    answers: dict[tuple[int, int], Any] = {}
    for arrival in arrivals:
        message, alert = arrival
        seen.setdefault(arrival.key, []).extend((*alert.history, alert.observation))
        place = message.partition, message.offset
        same = arrival.key, alert.alert_id, alert.observation.mjd_tai, alert.observation.band
        owner = first.setdefault(same, place)
        if place not in answers:
            curve = LightCurve.of(seen[arrival.key]).observations.tobytes()
            answers[place] = judge(curve, alert.context) if owner == place else None
    return answers
