"""What the classifier is given and what it says, as a few arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Observations of B objects to go on with; M in all, R verdicts wanted."""

    states: NDArray[np.uint8]  # [B, state_bytes], of the observations before; the classifier's start at first
    rows: NDArray[np.void]  # [M] of dtype OBSERVATION, run after run, each in the order of (mjd, band), one at least
    ends: NDArray[np.int64]  # [B], where each run ends in rows
    contexts: NDArray[np.void]  # [B] of dtype CONTEXT
    readouts: NDArray[np.int64]  # [R], ascending: after which of the rows a verdict is wanted


class Verdicts(NamedTuple):
    """What the classifier says after R observations."""

    probabilities: NDArray[np.float32]  # [R, 14], in the order of the taxonomy, each sums to 1
    p99: NDArray[np.float32]  # [R]
    anomaly_scores: NDArray[np.float32]  # [R]
    anomalies: NDArray[np.bool_]  # [R]

    def take(self, which: NDArray[np.int64]) -> "Verdicts":
        """Some of them [n]."""
        return Verdicts(self.probabilities[which], self.p99[which], self.anomaly_scores[which], self.anomalies[which])
