"""Which code made a state: a hash that changes with every layout and with whatever changes the features (law 3)."""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from model.features import CONTEXT, follow
from model.flag import RELEASE
from model.observation import OBSERVATION
from model.running import CARRY, N_BANDS, start_carry
from model.runs import Runs
from model.state import LAYOUT

OBSERVATIONS = 40
KNOWN = np.array(
    [(0.3, 0.05, np.nan, -1), (0.0, 0.0, 0.2, 1), (np.nan, np.nan, 0.1, 0)], dtype=CONTEXT
)  # of every kind that the features tell apart


def of_code() -> bytes:
    """32 bytes: of the layouts, and of all that the features say of made-up light curves after each observation."""
    made = hash_of(repr((LAYOUT, RELEASE, OBSERVATION.descr, CONTEXT.descr, CARRY)).encode())
    for place in range(len(KNOWN)):
        runs, carry = sample(np.zeros(0, np.uint8), OBSERVATIONS, place), start_carry(1)
        wanted = np.ones(OBSERVATIONS, dtype=bool)
        features = follow(runs.rows, np.zeros(1, np.int64), runs.ends, runs.contexts, carry, wanted)
        made = hash_of(made, *(f.tobytes() for f in features), carry.tobytes())
    return made


def hash_of(*parts: bytes) -> bytes:
    """Of bytes, one after the other."""
    return sha256(b"".join(parts)).digest()


def sample(start: NDArray[np.uint8], length: int, place: int = 0) -> Runs:
    """A made-up light curve of some length, with the context at a place of KNOWN; a verdict after each observation."""
    number = np.arange(length)
    rows = np.zeros(length, dtype=OBSERVATION)
    rows["mjd_tai"] = 60_000 + 2.5 * number
    rows["flux_njy"] = 20 * (37 * number % 101 - 30)  # of both signs
    rows["flux_err_njy"] = 20 + number
    rows["band"], rows["detected"] = number % N_BANDS, number % 5 > 2
    return Runs(start[None], rows, np.array([length]), KNOWN[place : place + 1], number)
