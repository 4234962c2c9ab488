"""How good probabilities are: the PLAsTiCC metric and accuracy."""

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import CLASS_IDS, METRIC_WEIGHTS

CLIP = 1e-15


def weighted_log_loss(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> float:
    """The PLAsTiCC metric over the known classes that occur (arXiv:1809.11145).

    -sum_i w_i * (mean over objects of class i of ln p_true) / sum_i w_i; rows renormalised, clipped at 1e-15.

    Args:
        probabilities: [N, 14], in the order of the taxonomy.
        classes: [N], PLAsTiCC class numbers.

    Raises:
        ValueError: there are no objects, or a class is not one of the 14.
    """
    column = class_columns(classes)
    rows = np.asarray(probabilities, dtype=np.float64)
    rows = np.clip(rows / rows.sum(axis=1, keepdims=True), CLIP, 1 - CLIP)
    loss = -np.log(rows[np.arange(len(rows)), column])
    present = np.unique(column)
    means = np.array([loss[column == c].mean() for c in present])
    weights = np.array(METRIC_WEIGHTS)[present]
    return float((weights * means).sum() / weights.sum())


def accuracy(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> float:
    """Share of objects [N] whose most probable class of [N, 14] is the true one. Raises as weighted_log_loss does."""
    return float((np.asarray(probabilities).argmax(axis=1) == class_columns(classes)).mean())


def class_columns(classes: NDArray[np.integer]) -> NDArray[np.intp]:
    """The column [N] of each PLAsTiCC class number [N]. Raises ValueError."""
    known = np.array(CLASS_IDS)
    column = np.searchsorted(known, classes).clip(max=len(known) - 1)
    if len(column) == 0 or (known[column] != classes).any():
        raise ValueError("scores need at least one object, and every class one of the 14 of PLAsTiCC")
    return column
