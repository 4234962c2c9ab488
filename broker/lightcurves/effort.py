"""The work of one plan is bounded: what is more is done in several, each from what the one before has left."""

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 100_000  # observations that one plan gives to the classifier: about a second of one core


class TooMuchError(Exception):
    """The alerts are more work than one plan may be; `alerts` of them, from the first on, are not."""

    def __init__(self, alerts: int) -> None:
        super().__init__(f"at most {alerts} alerts at once")
        self.alerts = alerts


def check_work(cost: NDArray[np.int64]) -> None:
    """Raise TooMuchError where alerts [n] that cost so many steps each are more than one plan may be."""
    total = np.cumsum(cost)
    if len(cost) > 1 and total[-1] > MOST_STEPS:
        raise TooMuchError(max(1, int(np.searchsorted(total, MOST_STEPS, side="right"))))
