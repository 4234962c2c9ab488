"""Observation, Context, LightCurve: what every survey's packets become.

Law 4: light curves are sets. `LightCurve.of` gives the same curve for any order and any duplication of the
same observations, so any split of the alerts over workers and batches ends in the same curve.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

BANDS = "ugrizy"  # LSST passbands; an observation's band is an index into this string
FLUXCAL_NJY = 10 ** (0.4 * (31.4 - 27.5))  # nJy in one unit of FLUXCAL (zero point 27.5 mag AB): 36.3078

OBSERVATION = np.dtype(
    [("mjd_tai", "<f8"), ("flux_njy", "<f4"), ("flux_err_njy", "<f4"), ("band", "u1"), ("detected", "?")]
)


class Observation(NamedTuple):
    """One flux in one band at one time. Fluxes are difference fluxes, rounded to float32 by who makes it."""

    mjd_tai: float  # days
    flux_njy: float
    flux_err_njy: float  # 1 sigma, > 0
    band: int  # index into BANDS
    detected: bool


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of an object beside its light curve; NaN or None where a survey does not say."""

    host_photoz: float = nan  # exactly 0 for objects in our Galaxy
    host_photoz_err: float = nan
    mwebv: float = nan  # E(B-V) of the Milky Way's dust, mag
    ddf: bool | None = None  # in a deep drilling field


@dataclass(frozen=True, slots=True)
class LightCurve:
    """An object's observations as a structured array [T] of dtype OBSERVATION, by (mjd_tai, band), each once."""

    observations: NDArray[np.void]

    @classmethod
    def of(cls, observations: Iterable[Observation] | NDArray[np.void]) -> Self:
        """The light curve of a set of observations.

        Two that share time and band are one measurement processed twice. Which of them is kept must not depend
        on the order of arrival: a detection before a non-detection, then the smaller error, then the larger flux.
        """
        rows = observations if isinstance(observations, np.ndarray) else np.array(list(observations), dtype=OBSERVATION)
        if len(rows) < 2:
            return cls(rows)
        order = np.lexsort((-rows["flux_njy"], rows["flux_err_njy"], ~rows["detected"], rows["band"], rows["mjd_tai"]))
        rows = rows[order]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (rows["mjd_tai"][1:] != rows["mjd_tai"][:-1]) | (rows["band"][1:] != rows["band"][:-1])
        return cls(rows[first])

    def __len__(self) -> int:
        return len(self.observations)
