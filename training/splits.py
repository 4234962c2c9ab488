"""Which objects train, which choose the epoch and the temperature, and which are only ever tested on.

The split follows from object ids, classes and a seed alone: within each class the objects are put in the order of
sha256("SEED:OBJECT_ID"); object r of that order is tested in fold r mod 5, and of those that remain every 8th is
validation. Neither the order of a file nor a version of a library can change it. Balancing comes after it, inside
training: the old system's 85 % was measured on copies that balancing had put on both sides (old bug 7).
"""

from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 0  # of the shipped artefact and of every figure published; a recipe's own seed is another thing
FOLDS = 5
VALIDATION = 8  # one in so many of the objects that are not tested on
NAME = f"stratified-sha256: test = rank mod {FOLDS}, validation = every {VALIDATION}th of the rest"


class Split(NamedTuple):
    """Rows of the objects, each ascending, no row in two parts."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def fold(object_ids: NDArray[np.integer], labels: NDArray[np.integer], seed: int, k: int) -> Split:
    """Fold k of FOLDS of objects [N] with classes [N].

    Raises:
        ValueError: k is no fold, or an id is there twice.
    """
    if not 0 <= k < FOLDS:
        raise ValueError(f"there are folds 0 to {FOLDS - 1}, no fold {k}")
    if len(np.unique(object_ids)) != len(object_ids):
        raise ValueError("an object id is there twice; a copy on both sides of a split would be a leak")
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label in np.unique(labels):
        rows = shuffled(object_ids, np.flatnonzero(labels == label), str(seed))
        parts[2].extend(rows[k::FOLDS])
        rest = [row for rank, row in enumerate(rows) if rank % FOLDS != k]
        parts[1].extend(rest[::VALIDATION])
        parts[0].extend(row for rank, row in enumerate(rest) if rank % VALIDATION)
    return Split(*(np.array(sorted(part), dtype=np.int64) for part in parts))


def sample(object_ids: NDArray[np.integer], labels: NDArray[np.integer], seed: int, size: int) -> NDArray[np.int64]:
    """About `size` rows of the objects [N], ascending, in the classes' proportions and at least 3 of every class."""
    chosen: list[int] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        quota = max(3, round(size * len(rows) / len(labels)))
        chosen.extend(shuffled(object_ids, rows, f"sample:{seed}")[:quota])
    return np.array(sorted(chosen), dtype=np.int64)


def shuffled(object_ids: NDArray[np.integer], rows: NDArray[np.integer], salt: str) -> list[int]:
    """The rows in the order of sha256("SALT:OBJECT_ID")."""
    return sorted((int(r) for r in rows), key=lambda r: sha256(f"{salt}:{object_ids[r]}".encode()).digest())
