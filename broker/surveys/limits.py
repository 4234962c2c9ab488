"""Limits: where a survey looked and found nothing. They are kept as observations, and told from them by their flux.

The store has no mark for a limit. Adapters write one as no flux, exactly 0, with an error that says how deep the survey
saw (`ztf.py`, `elasticc.py`). A measured flux is never exactly 0 but by chance, and then says the same.
"""

import numpy as np
from numpy.typing import NDArray

from broker.names import ELASTICC, ZTF

DEPTH_SIGMA = 5.0  # a limit is where a source of so many errors would have been seen
TELL = frozenset(name.decode() for name in (ZTF, ELASTICC))  # whose alerts have limits


def limits(survey: str, rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which observations [T] of dtype OBSERVATION, of an object of a survey, are limits. [T]."""
    found: NDArray[np.bool_] = (rows["flux_njy"] == 0) & ~rows["detected"].astype(bool)
    return found & (survey in TELL)


def depths_njy(rows: NDArray[np.void]) -> NDArray[np.float64]:
    """The flux that observations [T] would have shown, were they limits [nJy]. [T]."""
    return DEPTH_SIGMA * rows["flux_err_njy"].astype(float)
