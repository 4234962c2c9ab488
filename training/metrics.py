"""Scores beside the PLAsTiCC metric, and how sure they are."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import METRIC_WEIGHTS

Floats = NDArray[np.floating]
Columns = NDArray[np.intp]
BINS = 15
RESAMPLES = 200


def recalls(probabilities: Floats, columns: Columns) -> dict[int, float]:
    """By column of the taxonomy: the share of its objects that are found. Classes without objects are left out."""
    chosen = probabilities.argmax(axis=1)
    return {int(c): float((chosen[columns == c] == c).mean()) for c in np.unique(columns)}


def macro_recall(probabilities: Floats, columns: Columns) -> float:
    """Mean recall of the classes that occur."""
    return float(np.mean(list(recalls(probabilities, columns).values())))


def macro_f1(probabilities: Floats, columns: Columns) -> float:
    """Mean over the classes that occur of 2 TP / (2 TP + FP + FN)."""
    chosen = probabilities.argmax(axis=1)
    scores = []
    for c in np.unique(columns):
        hits = ((chosen == c) & (columns == c)).sum()
        scores.append(2 * hits / ((chosen == c).sum() + (columns == c).sum()))
    return float(np.mean(scores))


def calibration_error(probabilities: Floats, columns: Columns, weights: Floats | None = None) -> float:
    """Expected calibration error of the most probable class, 15 bins of equal width (Naeini et al. 2015).

    Args:
        probabilities: [N, 14].
        columns: [N].
        weights: [N] of the objects; None for 1 each.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == columns
    weight = np.ones(len(sure)) if weights is None else np.asarray(weights, dtype=np.float64)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, weights=weight * (right - sure), minlength=BINS)
    return float(np.abs(gaps).sum() / weight.sum())


def balanced_weights(columns: Columns) -> NDArray[np.float64]:
    """Weights [N] that give every class its weight in the PLAsTiCC metric, however many objects it has."""
    counts = np.bincount(columns, minlength=len(METRIC_WEIGHTS))
    weights: NDArray[np.float64] = (np.array(METRIC_WEIGHTS) / np.maximum(counts, 1))[columns]
    return weights


def bootstrap(
    score: Callable[[NDArray[np.intp]], dict[str, float]], columns: Columns, resamples: int = RESAMPLES
) -> dict[str, float]:
    """The standard deviation of each score over resamples of the objects, drawn with replacement within each class.

    Args:
        score: gives named scores of the objects in these rows [N].
        columns: [N].
        resamples: how many.
    """
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(columns == c) for c in np.unique(columns)]
    drawn = [score(np.concatenate([rng.choice(g, len(g)) for g in groups])) for _ in range(resamples)]
    return {name: float(np.std([d[name] for d in drawn])) for name in drawn[0]}
