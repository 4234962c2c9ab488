"""The anomaly flag, which remembers: once raised it stays until the score has fallen well below the threshold.

So an object near the threshold is not flagged and unflagged from alert to alert. The memory is one bit of an object's
state. It moves at detections alone, which are what every survey sends alerts about, in the order of their times: so it
is a function of the light curve (law 4), the same whether the curve was stepped alert by alert, taken from a history at
once, or read again from the log (laws 2, 3 and 5). A flag that was published is not called back: where a late
observation changes what came before, the next answer is of the curve as it is then.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

RELEASE = 0.9  # a raised flag is lowered where the score is not above this share of the threshold


@numba.njit(cache=True, nogil=True)
def remember(above: Flags, near: Flags, detected: Flags, ends: NDArray[np.int64], raised: Flags) -> Flags:
    """The flags [K] at observations of B runs.

    Args:
        above: [K], whether the score is above the threshold, run after run, in time order.
        near: [K], whether it is above RELEASE of it.
        detected: [K], whether the observation is a detection: others are flagged, but not remembered.
        ends: [B], where each run's observations end.
        raised: [B], whether the flag was raised before; changed to whether it is after.
    """
    flags = np.empty(len(above), np.bool_)
    start = 0
    for i in range(len(ends)):
        up = raised[i]
        for k in range(start, ends[i]):
            flags[k] = above[k] or (up and near[k])
            if detected[k]:
                up = flags[k]
        raised[i] = up
        start = ends[i]
    return flags
