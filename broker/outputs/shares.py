"""Probabilities as DESC's readers take them: classes by ELAsTiCC's numbers, and a sum of exactly 1.

Fourteen float32 hardly ever sum to 1. What is left over goes to 200 (Residual), which must not be negative: so the
largest probability is rounded down, by less than 6e-8, until something is left. All are multiples of 2^-47 then, so
that a reader who adds them up in double precision finds 1, in whatever order.
"""

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import CLASSES

RESIDUAL, NOT_CLASSIFIED = 200, 300  # ELAsTiCC's classes of what is none of ours, and of what is not classified
ELASTICC_IDS = (*(c.elasticc_id for c in CLASSES), RESIDUAL)
FINE, COARSE = 2.0**47, 2.0**24  # steps in 1: of a probability, of the largest one (a float32 holds either)

DECLINED = [{"classId": NOT_CLASSIFIED, "probability": 1.0}]


def shares(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities [n, 14] that sum to 1 but for rounding, as such [n, 15] in the order of ELASTICC_IDS."""
    found = np.floor(np.clip(probabilities.astype(np.float64), 0.0, 1.0) * FINE) / FINE
    rows, largest = np.arange(len(found)), found.argmax(axis=1)
    left = 1.0 - found.sum(axis=1)
    found[rows, largest] = np.clip(np.floor((found[rows, largest] + left) * COARSE) / COARSE, 0.0, 1.0)
    left = 1.0 - found.sum(axis=1)
    return np.concatenate([found, left[:, None]], axis=1).astype(np.float32)
