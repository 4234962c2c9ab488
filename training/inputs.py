"""How the network's inputs are distributed over what training shows, by survey: the service looks for drift from it."""

import numpy as np
from numpy.typing import NDArray

from model.drift import InputShares, shares_of
from model.features import follow, start_carry
from training.dataset import Objects
from training.views import viewed

SURVEYS = ("plasticc", "rubin", "elasticc", "ztf")  # views as packets bring them
MOST = 500_000  # observations of a view


def input_shares(objects: Objects, seed: int) -> InputShares:
    """The distributions of some objects' inputs, as each survey would show them."""
    return shares_of({name: all_inputs(viewed(objects, name, seed)) for name in SURVEYS})


def all_inputs(objects: Objects) -> NDArray[np.float32]:
    """The inputs [m, F] of all observations of some objects, of as many of them as hold MOST."""
    ends = np.cumsum([len(curve) for curve in objects.curves])
    size = int(np.searchsorted(ends, MOST, side="right")) or len(ends)
    rows, ends = np.concatenate(objects.curves[:size]), ends[:size].astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    wanted = np.zeros(len(rows), dtype=bool)
    inputs, _ = follow(rows, starts, ends, objects.contexts[:size], start_carry(size), wanted)
    return inputs
