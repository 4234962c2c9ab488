"""Scores beside the PLAsTiCC metric, and how sure they are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.scores import CLIP
from model.taxonomy import CLASSES, METRIC_WEIGHTS

Floats = NDArray[np.floating]
Columns = NDArray[np.intp]
BINS = 15
RESAMPLES = 200


def once(columns: Columns) -> NDArray[np.float64]:
    """Draws [1, N] that take every object once."""
    return np.ones((1, len(columns)))


def resampled(columns: Columns, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """How often each resample takes each object [R, N]: drawn with replacement within each class. Always the same."""
    rng = np.random.default_rng(0)
    draws = np.zeros((resamples, len(columns)))
    for c in np.unique(columns):
        own = np.flatnonzero(columns == c)
        draws[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=resamples)
    return draws


def scores(balanced: Floats, natural: Floats, columns: Columns, draws: Floats) -> dict[str, NDArray[np.float64]]:
    """Each score [R] of R resamples of the same objects.

    `wll` is the PLAsTiCC metric (`model.scores.weighted_log_loss`). Macro recall and F1 are means over the classes that
    occur; `ece` is the calibration error of natural priors over the objects as they occur, `ece_balanced` that of
    balanced priors with every class weighted as in the metric.

    Args:
        balanced: probabilities [N, 14] with balanced priors.
        natural: the same with natural priors.
        columns: [N].
        draws: [R, N], how often a resample takes an object; every class that occurs is taken.
    """
    own = one_hot(columns, len(CLASSES))
    present = own.any(axis=0)
    weight = np.array(METRIC_WEIGHTS)[present]
    size = (draws @ own)[:, present]
    chosen = balanced.argmax(axis=1)
    hits = (draws @ (own * (chosen == columns)[:, None]))[:, present]
    claimed = (draws @ one_hot(chosen, len(CLASSES)))[:, present]
    loss = (draws @ (own * log_loss(balanced, columns)[:, None]))[:, present] / size
    return {
        "wll": (loss * weight).sum(axis=1) / weight.sum(),
        "accuracy": hits.sum(axis=1) / size.sum(axis=1),
        "accuracy_natural": draws @ (natural.argmax(axis=1) == columns) / draws.sum(axis=1),
        "macro_recall": (hits / size).mean(axis=1),
        "macro_f1": (2 * hits / (size + claimed)).mean(axis=1),
        "ece": calibration_error(natural, columns, draws),
        "ece_balanced": calibration_error(balanced, columns, draws * balanced_weights(columns)),
    }


def log_loss(probabilities: Floats, columns: Columns) -> NDArray[np.float64]:
    """-ln p of the true class [N]; rows renormalised, clipped at 1e-15."""
    rows = np.asarray(probabilities, dtype=np.float64)
    true = rows[np.arange(len(rows)), columns] / rows.sum(axis=1)
    loss: NDArray[np.float64] = -np.log(np.clip(true, CLIP, 1 - CLIP))
    return loss


def calibration_error(probabilities: Floats, columns: Columns, weights: Floats) -> NDArray[np.float64]:
    """Expected calibration error [R] of the most probable class, 15 bins of equal width (Naeini et al. 2015).

    Args:
        probabilities: [N, 14].
        columns: [N].
        weights: [R, N] of the objects.
    """
    sure, right, place = confidence(probabilities, columns)
    gaps = weights @ (one_hot(place, BINS) * (right - sure)[:, None])
    error: NDArray[np.float64] = np.abs(gaps).sum(axis=1) / weights.sum(axis=1)
    return error


class Bins(NamedTuple):
    """The bins of `calibration_error` that hold objects, B of them."""

    sure: NDArray[np.float64]  # [B], mean of the highest probabilities
    right: NDArray[np.float64]  # [B], share of the objects that are right
    errors: NDArray[np.float64]  # [2, B], of that share downwards and upwards: Wilson's interval of one sigma
    weight: NDArray[np.float64]  # [B], of all objects' weight
    objects: NDArray[np.intp]  # [B]


def binned(probabilities: Floats, columns: Columns, weights: Floats) -> Bins:
    """What `calibration_error` adds up, bin by bin.

    A share of 0 or 1 has an error too, the larger the fewer objects it is of; weighted objects count as so many equal
    ones as have the same variance.

    Args:
        probabilities: [N, 14].
        columns: [N].
        weights: [N] of the objects.
    """
    sure, right, place = confidence(probabilities, columns)
    total, squares, objects = (np.bincount(place, w, BINS) for w in (weights, weights**2, np.ones(len(place))))
    own = objects > 0
    mean, share = (np.bincount(place, weights * v, BINS)[own] / total[own] for v in (sure, right))
    n = total[own] ** 2 / squares[own]
    centre = (share + 1 / (2 * n)) / (1 + 1 / n)
    half = np.sqrt(share * (1 - share) / n + 1 / (4 * n**2)) / (1 + 1 / n)
    errors = np.stack([share - (centre - half), centre + half - share]).clip(min=0)
    return Bins(mean, share, errors, total[own] / total.sum(), objects[own].astype(np.intp))


def confidence(probabilities: Floats, columns: Columns) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """Each object's highest probability, whether it is the true class's, and the bin it falls in, each [N]."""
    sure = probabilities.max(axis=1)
    return sure, probabilities.argmax(axis=1) == columns, np.minimum((sure * BINS).astype(np.intp), BINS - 1)


def balanced_weights(columns: Columns) -> NDArray[np.float64]:
    """Weights [N] that give every class its weight in the PLAsTiCC metric, however many objects it has."""
    counts = np.bincount(columns, minlength=len(METRIC_WEIGHTS))
    weights: NDArray[np.float64] = (np.array(METRIC_WEIGHTS) / np.maximum(counts, 1))[columns]
    return weights


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive of N objects scores above another, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(above / (positive.sum() * (~positive).sum()))


def found_at(scores: Floats, positive: NDArray[np.bool_], false_alarm_rates: Floats) -> NDArray[np.float64]:
    """Share of the positives above the threshold that so large a share of the others exceeds: the ROC curve."""
    thresholds = np.quantile(scores[~positive], 1 - np.asarray(false_alarm_rates))
    share: NDArray[np.float64] = (scores[positive] > thresholds[:, None]).mean(axis=1)
    return share


def one_hot(values: NDArray[np.integer], width: int) -> NDArray[np.float64]:
    """Values [N] as rows [N, width] with a 1 each."""
    rows: NDArray[np.float64] = np.eye(width)[values]
    return rows
