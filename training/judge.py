"""How good an artefact is on labelled skies: one dictionary, as `misweeper-train evaluate --sky FOLDER` prints it.

Every set is judged twice: with what a cross-match would tell (redshift, dust, membership of our Galaxy), and with
nothing but the light curve. Priors are natural. An object is judged at its last observation; `by_points` and `by_days`
judge it where it stood after so many observations, or so many days after its first detection. Flags are counted over
alerts, which are detections. Errors are standard deviations over bootstrap resamples of the objects within each class.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.artefact import Artefact
from model.classifier import Classifier
from model.scores import class_columns
from model.taxonomy import CLASS_IDS
from training import metrics
from training.answers import Answers, answers, flagged_objects
from training.dataset import UNKNOWN, Objects
from training.skies import Sky

POINTS = (1, 2, 4, 8, 16, 32, 64, 128)
DAYS = (0.0, 3.0, 10.0, 30.0, 60.0, 100.0)
CONTEXTS = ("with", "without")
FEWEST = 20  # alerts of an age, or their flags say nothing
Floats = NDArray[np.float64]


class Said(NamedTuple):
    """What was said of a set's objects of known classes."""

    name: str
    columns: NDArray[np.intp]  # [N]
    answers: Answers  # on all of them


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
    return {"sets": sets, "rows": {context: rows(found) for context, found in said.items()}}


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


def value(draws: Floats) -> dict[str, float]:
    """The first of some draws [R], and the standard deviation of the others."""
    return {"value": float(draws[0]), "error": float(draws[1:].std())}


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


def rows(said: Sequence[Said]) -> dict[str, dict[str, float]]:
    """The figures over all sets, and those of single sets that have a row of their own."""
    columns = np.concatenate([s.columns for s in said])
    right = np.concatenate([s.answers.probabilities[s.answers.last].argmax(axis=1) for s in said]) == columns
    draws = np.concatenate([metrics.once(columns), metrics.resampled(columns)])
    present = np.unique(columns)
    own = metrics.one_hot(columns, len(CLASS_IDS))[:, present]
    found = {"labelled skies, mean recall": value(((draws @ (own * right[:, None])) / (draws @ own)).mean(axis=1))}
    found["labelled skies, mean recall"]["classes"] = len(present)
    for name, (set_name, number) in RECALLED.items():
        for one in said:
            mine = one.columns == CLASS_IDS.index(number)
            if one.name == set_name and mine.any():
                share = one.answers.probabilities[one.answers.last][mine].argmax(axis=1) == CLASS_IDS.index(number)
                error = float(share.std() / len(share) ** 0.5)
                found[name] = {"value": float(share.mean()), "error": error, "objects": len(share)}
    for one in said:
        if one.name == "elasticc" and {90, 42} <= {CLASS_IDS[c] for c in one.columns}:
            found["ELAsTiCC, SN Ia against SN II, AUROC"] = ia_against_ii(one)
    alerts = sum(int(s.answers.alert.sum()) for s in said)
    flags = sum(int((s.answers.alert & s.answers.flagged).sum()) for s in said)
    ever = np.concatenate([flagged_objects(s.answers, len(s.columns)) for s in said])
    found["flagged, alerts"] = {"value": flags / max(alerts, 1), "alerts": alerts}
    found["flagged, objects ever"] = {"value": float(ever.mean()), "objects": len(ever)}
    found["flagged, worst age"] = worst_age([s.answers for s in said])
    return found


RECALLED = {  # rows of one class of one set
    "ZTF SN Ia called SN Ia": ("ztf_snia", 90),
    "Rubin quasars called AGN": ("rubin_alerts", 88),
    "SDSS RR Lyrae called RR Lyrae": ("sdss_rrlyrae", 92),
    "MALLORN TDE called TDE": ("mallorn", 15),
}


def ia_against_ii(one: Said) -> dict[str, float]:
    """How often an SN Ia has a higher ratio of the two probabilities than an SN II."""
    ia, ii = CLASS_IDS.index(90), CLASS_IDS.index(42)
    own = np.isin(one.columns, (ia, ii))
    chances = np.log(np.maximum(one.answers.probabilities[one.answers.last][own].astype(float), 1e-30))
    score, positive = chances[:, ia] - chances[:, ii], one.columns[own] == ia
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(score), len(score)) for _ in range(metrics.RESAMPLES)]
    error = float(np.std([metrics.auroc(score[d], positive[d]) for d in draws]))
    return {"value": metrics.auroc(score, positive), "error": error, "objects": int(own.sum())}


def worst_age(given: Sequence[Answers]) -> dict[str, float]:
    """The largest share of alerts flagged at any age in days, of ages that have enough alerts."""
    place = np.concatenate([np.searchsorted(DAYS, g.days)[g.alert] for g in given])
    flags = np.concatenate([g.flagged[g.alert] for g in given])
    shares = [float(flags[place == i].mean()) for i in range(len(DAYS) + 1) if (place == i).sum() >= FEWEST]
    return {"value": max(shares, default=0.0)}


def of_objects(artefact: Artefact, name: str, objects: Objects) -> dict[str, Any]:
    """The same figures of labelled objects [N] as they are, such as those of a view."""
    classifier = Classifier(artefact, device="cpu", priors="natural")
    return figures(Said(name, class_columns(objects.labels), answers(classifier, objects)))
