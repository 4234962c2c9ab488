"""What the classifier is given and what it says, as a few arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUALITIES = ("enough", "little", "outside")  # what an answer rests on: see `quality`


class Runs(NamedTuple):
    """Observations of B objects to go on with; M in all, R verdicts wanted."""

    states: NDArray[np.uint8]  # [B, state_bytes], of the observations before; the classifier's start at first
    rows: NDArray[np.void]  # [M] of dtype OBSERVATION, run after run, each in the order of (mjd, band), one at least
    ends: NDArray[np.int64]  # [B], where each run ends in rows
    contexts: NDArray[np.void]  # [B] of dtype CONTEXT
    readouts: NDArray[np.int64]  # [R], ascending: after which of the rows a verdict is wanted


class Verdicts(NamedTuple):
    """What the classifier says after R observations; why it flags one, only of those that are flagged."""

    probabilities: NDArray[np.float32]  # [R, 14], in the order of the taxonomy, each sums to 1
    p99: NDArray[np.float32]  # [R]
    anomaly_scores: NDArray[np.float32]  # [R]
    thresholds: NDArray[np.float32]  # [R], what a score must be above for the flag to be raised, by what was known then
    anomalies: NDArray[np.bool_]  # [R]
    qualities: NDArray[np.uint8]  # [R], which of QUALITIES
    nearest: NDArray[np.int64]  # [R], the column of the nearest class; -1 where that is not said
    furthest: NDArray[np.int64]  # [R, 3], the statistics furthest from what is usual for it; -1 likewise
    deviations: NDArray[np.float32]  # [R, 3], how far, in standard deviations within it

    def take(self, which: NDArray[np.int64]) -> "Verdicts":
        """Some of them [n]."""
        return Verdicts(*(column[which] for column in self))  # type: ignore[arg-type]  # each of its own kind
