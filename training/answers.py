"""What an artefact says of whole light curves, alert by alert, as the stream would have it: through `Classifier`."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.classifier import Classifier
from model.runs import Runs
from training.dataset import Objects

AT_ONCE = 64  # objects


class Answers(NamedTuple):
    """M answers on N objects: after each detection, which is what sends an alert, and after the last observation."""

    owner: NDArray[np.int64]  # [M], which object, ascending
    points: NDArray[np.int64]  # [M], observations so far
    detections: NDArray[np.int64]  # [M], detections so far
    days: NDArray[np.float64]  # [M], since the first detection; 0 before it
    alert: NDArray[np.bool_]  # [M], whether it answers a detection
    probabilities: NDArray[np.float32]  # [M, 14], with the classifier's priors
    scores: NDArray[np.float32]  # [M], of the anomaly
    thresholds: NDArray[np.float32]  # [M], of the score
    flagged: NDArray[np.bool_]  # [M]
    last: NDArray[np.int64]  # [N], which answer is the last one on each object


def answers(classifier: Classifier, objects: Objects) -> Answers:
    """Answers on objects [N], each of at least one observation."""
    parts: dict[int, tuple[NDArray[np.generic], ...]] = {}
    order = np.argsort([len(curve) for curve in objects.curves], kind="stable")
    for start in range(0, len(order), AT_ONCE):
        chosen = order[start : start + AT_ONCE]
        curves = [objects.curves[i] for i in chosen]
        places = [asked(curve) for curve in curves]
        ends = np.cumsum([len(curve) for curve in curves])
        readouts = np.concatenate([end - len(c) + p for end, c, p in zip(ends, curves, places, strict=True)])
        states = np.tile(classifier.start_state, (len(chosen), 1))
        verdicts, _ = classifier.classify(
            Runs(states, np.concatenate(curves), ends, objects.contexts[chosen], readouts)
        )
        own = np.cumsum([len(p) for p in places])
        for i, curve, place, first, end in zip(
            chosen, curves, places, own - [len(p) for p in places], own, strict=True
        ):
            said = verdicts.take(np.arange(first, end))
            parts[int(i)] = (
                *history(curve, place), said.probabilities, said.anomaly_scores, said.thresholds, said.anomalies,
            )  # fmt: skip
    counts = np.array([len(parts[i][0]) for i in range(len(objects))])
    columns: list[NDArray[Any]] = [np.concatenate([parts[i][k] for i in range(len(objects))]) for k in range(8)]
    return Answers._make([np.repeat(np.arange(len(objects)), counts), *columns, np.cumsum(counts) - 1])


def asked(curve: NDArray[np.void]) -> NDArray[np.int64]:
    """After which observations [m] of a curve [T] an answer is wanted."""
    places = np.flatnonzero(curve["detected"])
    return places if len(places) and places[-1] == len(curve) - 1 else np.append(places, len(curve) - 1)


def history(curve: NDArray[np.void], places: NDArray[np.int64]) -> tuple[NDArray[np.generic], ...]:
    """Observations, detections and days so far, and whether it is a detection, at places [m] of a curve."""
    detected = curve["detected"]
    days = curve["mjd_tai"] - curve["mjd_tai"][np.argmax(detected)] if detected.any() else np.zeros(len(curve))
    return places + 1, np.cumsum(detected)[places], np.maximum(days[places], 0), detected[places]


def flagged_objects(given: Answers, size: int) -> NDArray[np.bool_]:
    """Which objects [N] were flagged at one alert at least."""
    found: NDArray[np.bool_] = np.bincount(given.owner, given.alert & given.flagged, size) > 0
    return found
