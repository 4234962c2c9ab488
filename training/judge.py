"""How good an artefact is on labelled skies: one dictionary, as `misweeper-train evaluate --sky FOLDER` prints it.

Every set is judged twice: with what a cross-match would tell (redshift, dust, membership of our Galaxy), and with
nothing but the light curve. Priors are natural. An object is judged at its last observation; `by_points` and `by_days`
judge it where it stood after so many observations, or so many days after its first detection. Flags are counted over
alerts, which are detections. Errors are standard deviations over bootstrap resamples of the objects within each class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artefact import Artefact
from model.classifier import Classifier
from model.scores import class_columns
from model.taxonomy import CLASS_IDS
from training import metrics
from training.answers import Answers, answers, flagged_objects
from training.dataset import UNKNOWN, Objects
from training.said import DAYS, Said, rows, value
from training.skies import Sky

POINTS = (1, 2, 4, 8, 16, 32, 64, 128)
CONTEXTS = ("with", "without")
Floats = NDArray[np.float64]


def judge(artefact: Artefact, skies: Sequence[Sky]) -> dict[str, Any]:
    """Figures by set and context, and the rows over all sets."""
    classifier = Classifier(artefact, device="cpu", priors="natural")
    said: dict[str, list[Said]] = {}
    sets: dict[str, Any] = {}
    for sky in skies:
        known = np.flatnonzero(sky.objects.labels != UNKNOWN)
        sets[sky.name] = {"objects": len(known), "others": len(sky.objects) - len(known)}
        for context, objects in zip(CONTEXTS, (sky.objects, sky.without_context()), strict=True):
            if len(known):
                own = objects.take(known)
                found = Said(sky.name, class_columns(own.labels), answers(classifier, own))
                said.setdefault(context, []).append(found)
                sets[sky.name][context] = figures(found)
            others = np.flatnonzero(sky.objects.labels == UNKNOWN)
            if len(others):
                flags = flagged_objects(answers(classifier, objects.take(others)), len(others))
                sets[sky.name].setdefault(context, {})["flagged_others"] = float(flags.mean())
    return {"sets": sets, "rows": {context: rows(found, sets, context) for context, found in said.items()}}


def figures(said: Said) -> dict[str, Any]:
    """The figures of one set and context."""
    given, columns = said.answers, said.columns
    draws = np.concatenate([metrics.once(columns), metrics.resampled(columns)])
    last = given.probabilities[given.last]
    alerts, flags = (np.bincount(given.owner, w, len(columns)) for w in (given.alert, given.alert & given.flagged))
    scores = quality(last, columns, draws) | {
        "flagged_alerts": draws @ flags / np.maximum(draws @ alerts, 1),
        "flagged_objects": draws @ (flags > 0) / draws.sum(axis=1),
    }
    return {
        **{key: value(found) for key, found in scores.items()},
        "recall": recalls(last, columns),
        **stability(given, len(columns)),
        "reliability": reliability(last, columns),
        "by_points": {str(n): at(said, given.points <= n, enough(given, n)) for n in POINTS},
        "by_days": {f"{d:g}": at(said, given.days <= d, np.ones(len(columns), bool)) for d in DAYS},
        "flagged_by_points": flagged_by(given, given.points, POINTS),
        "flagged_by_days": flagged_by(given, given.days, DAYS),
    }


def quality(probabilities: metrics.Floats, columns: NDArray[np.intp], draws: Floats) -> dict[str, Floats]:
    """Accuracy, mean ln p of the true class and calibration error, each [R], of R draws of N objects."""
    total = draws.sum(axis=1)
    return {
        "accuracy": draws @ (probabilities.argmax(axis=1) == columns) / total,
        "mean_ln_p": -draws @ metrics.log_loss(probabilities, columns) / total,
        "ece": metrics.calibration_error(probabilities, columns, draws),
    }


def stability(given: Answers, size: int) -> dict[str, dict[str, float]]:
    """How restless the answers on `size` objects are from alert to alert.

    `changes`: share of the alerts whose most probable class is another than at the alert before. `distance`: mean of
    half the sum of |p - p before| over the classes, which is the Wasserstein distance between two answers where all
    classes are equally far from each other (Zhou et al. 2026, arXiv:2604.23792, measure stability so). Errors are over
    resampled objects.
    """
    alerts = np.flatnonzero(given.alert)
    before, after = alerts[:-1], alerts[1:]
    same = given.owner[before] == given.owner[after]
    before, after = before[same], after[same]
    owner, chances = given.owner[after], given.probabilities
    changed = chances[after].argmax(axis=1) != chances[before].argmax(axis=1)
    moved = np.abs(chances[after] - chances[before]).sum(axis=1) / 2
    draws = np.concatenate([np.ones((1, size)), metrics.resampled(np.zeros(size, np.intp))])
    steps = np.maximum(draws @ np.bincount(owner, minlength=size), 1)
    return {
        name: value(draws @ np.bincount(owner, values, size) / steps)
        for name, values in (("changes", changed.astype(float)), ("distance", moved.astype(float)))
    }


def recalls(probabilities: metrics.Floats, columns: NDArray[np.intp]) -> dict[str, dict[str, float]]:
    """By class that occurs: how many objects, which share of them is called by its name."""
    right = probabilities.argmax(axis=1) == columns
    found = {}
    for c in np.unique(columns):
        own = columns == c
        share, size = float(right[own].mean()), int(own.sum())
        found[str(CLASS_IDS[c])] = {"objects": size, "value": share, "error": (share * (1 - share) / size) ** 0.5}
    return found


def reliability(probabilities: metrics.Floats, columns: NDArray[np.intp]) -> dict[str, list[float]]:
    """How often the most probable class is right, by how probable it is."""
    bins = metrics.binned(probabilities, columns, np.ones(len(columns)))
    return {"confidence": bins.sure.tolist(), "right": bins.right.tolist(), "objects": bins.objects.tolist()}


def enough(given: Answers, points: int) -> NDArray[np.bool_]:
    """Which objects [N] have so many observations."""
    return given.points[given.last] >= points


def at(said: Said, so_far: NDArray[np.bool_], objects: NDArray[np.bool_]) -> dict[str, Any]:
    """The figures of some objects [N] at the last of some answers [M] on each of them."""
    given = said.answers
    latest = np.full(len(said.columns), -1)
    chosen = np.flatnonzero(so_far)
    latest[given.owner[chosen]] = chosen  # of several to one place numpy keeps the last
    own = objects & (latest >= 0)
    if not own.any():
        return {"objects": 0}
    columns, probabilities = said.columns[own], given.probabilities[latest[own]]
    draws = np.concatenate([metrics.once(columns), metrics.resampled(columns)])
    return {"objects": int(own.sum()), **{k: value(v) for k, v in quality(probabilities, columns, draws).items()}}


def flagged_by(given: Answers, age: NDArray[np.number], limits: Sequence[float]) -> dict[str, dict[str, float]]:
    """Share of the alerts that are flagged up to each limit of age, and beyond the limit before."""
    found = {}
    place = np.searchsorted(limits, age)  # alerts of the same age or younger
    for i, name in enumerate([*(f"{limit:g}" for limit in limits), "more"]):
        own = given.alert & (place == i)
        if own.any():
            found[name] = {"alerts": int(own.sum()), "value": float(given.flagged[own].mean())}
    return found


def of_objects(artefact: Artefact, name: str, objects: Objects) -> dict[str, Any]:
    """The same figures of labelled objects [N] as they are, such as those of a view."""
    classifier = Classifier(artefact, device="cpu", priors="natural")
    return figures(Said(name, class_columns(objects.labels), answers(classifier, objects)))
