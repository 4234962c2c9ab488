"""Balancing as the 2018 report has it: big classes under-sampled, small ones over-sampled, to the mean class size.

Only ever of a training part, after the split: copies made before it end on both sides (old bug 7).
"""

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import CLASS_IDS, CLASS_NAMES


def balance(labels: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows [M] of objects with classes [N], by class: each class as often as the mean class is big.

    A big class keeps that many different objects. A small one keeps all of its objects, as evenly often as it goes.
    """
    classes, counts = np.unique(labels, return_counts=True)
    size = round(counts.mean())
    chosen = []
    for c in classes:
        own = rng.permutation(np.flatnonzero(labels == c))
        chosen.append(np.resize(own, size))  # np.resize repeats the whole until it is long enough
    return np.concatenate(chosen).astype(np.int64)


def counts(labels: NDArray[np.integer]) -> dict[int, int]:
    """How many objects each of the 14 classes has, by PLAsTiCC class number."""
    return {c: int((labels == c).sum()) for c in CLASS_IDS}


def before_and_after(labels: NDArray[np.integer], rows: NDArray[np.integer]) -> list[tuple[str, int, int]]:
    """Class, objects before balancing, objects after it: what `fit --recipe paper` prints and `plots` draws."""
    before, after = counts(labels), counts(labels[rows])
    return [(f"{c} {CLASS_NAMES[c]}", before[c], after[c]) for c in CLASS_IDS]
