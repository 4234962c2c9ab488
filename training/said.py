"""The rows over all labelled skies, and those of single sets that the field looks at first."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import CLASS_IDS
from training import metrics
from training.answers import Answers, flagged_objects

DAYS = (0.0, 3.0, 10.0, 30.0, 60.0, 100.0)
FEWEST = 20  # alerts of an age, or their flags say nothing
RECALLED = {  # rows of one class of one set
    "ZTF SN Ia called SN Ia": ("ztf_snia", 90),
    "Rubin quasars called AGN": ("rubin_alerts", 88),
    "SDSS RR Lyrae called RR Lyrae": ("sdss_rrlyrae", 92),
    "MALLORN TDE called TDE": ("mallorn", 15),
}
FIGURES = {  # rows of one figure of one set
    "MALLORN, accuracy": ("mallorn", "accuracy"),
    "MALLORN, ECE": ("mallorn", "ece"),
    "ELAsTiCC, accuracy": ("elasticc", "accuracy"),
    "ELAsTiCC, ECE": ("elasticc", "ece"),
    "ZTF SN Ia, objects flagged": ("ztf_snia", "flagged_objects"),
    "Rubin, objects of known classes flagged": ("rubin_alerts", "flagged_objects"),
}


class Said(NamedTuple):
    """What was said of a set's objects of known classes."""

    name: str
    columns: NDArray[np.intp]  # [N]
    answers: Answers  # on all of them


def value(draws: NDArray[np.float64]) -> dict[str, float]:
    """The first of some draws [R], and the standard deviation of the others."""
    return {"value": float(draws[0]), "error": float(draws[1:].std())}


def rows(said: Sequence[Said], sets: Mapping[str, Any], context: str) -> dict[str, dict[str, float]]:
    """The rows of one context, with what `judge` found of each set."""
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
    for name, (set_name, key) in FIGURES.items():
        if key in sets.get(set_name, {}).get(context, {}):
            found[name] = sets[set_name][context][key]
    alerts = sum(int(s.answers.alert.sum()) for s in said)
    flags = sum(int((s.answers.alert & s.answers.flagged).sum()) for s in said)
    ever = np.concatenate([flagged_objects(s.answers, len(s.columns)) for s in said])
    found["flagged, alerts"] = {"value": flags / max(alerts, 1), "alerts": alerts}
    found["flagged, objects ever"] = {"value": float(ever.mean()), "objects": len(ever)}
    found["flagged, worst age"] = worst_age([s.answers for s in said])
    return found


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
