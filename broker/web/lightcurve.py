"""An object's light curve as the service remembers it: read from Redis through the store, never written."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.entries import observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.store import LightCurveStore, Refused
from model.observation import OBSERVATION, LightCurve

MOST = 20_000  # entries read of an object
ZERO_POINT_NJY = 31.4  # AB magnitude of 1 nJy
NO_MAGNITUDE_BELOW = 3.0  # signal over noise: what is fainter is an upper limit


class LightCurves:
    """Reads light curves."""

    def __init__(self, store: LightCurveStore) -> None:
        self._store = store

    def ping(self) -> None:
        """Return if the store answers. Raises TransientError."""
        self._store.ping()

    def of(self, names: Sequence[str], most: int | None = None) -> list[NDArray[np.void]]:
        """The light curves of objects, "survey/object" each: [T] of dtype OBSERVATION, by time.

        Of each the newest entries are read, `most` or 20,000. Raises TransientError where Redis does not answer.
        """
        keys = [name.encode() for name in names]
        found = []
        for key, log in zip(keys, self._store.read(keys, most or MOST), strict=True):
            if isinstance(log, Refused) or not log:
                found.append(np.empty(0, OBSERVATION))
                continue
            entries, good = parse(log, int(salts([key])[0]))
            found.append(LightCurve.of(observations(entries[good])).observations)
        return found


def magnitudes(rows: NDArray[np.void]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AB magnitudes of |flux| and their errors [T]; NaN where the flux is no more than noise.

    m = 31.4 - 2.5 log10 |F / nJy|, sigma_m = 1.0857 sigma_F / |F|.
    """
    flux, error = np.abs(rows["flux_njy"]).astype(float), rows["flux_err_njy"].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = flux / error >= NO_MAGNITUDE_BELOW
        m = np.where(seen, ZERO_POINT_NJY - 2.5 * np.log10(flux), np.nan)
        return m, np.where(seen, 1.0857 * error / flux, np.nan)


def rise_sigma(rows: NDArray[np.void], days: float = 5.0) -> float:
    """How fast an object brightens: the largest change of flux in a band over its last days, in standard errors a day.

    0 for a light curve with fewer than two points of a band in that time.
    """
    fastest = 0.0
    if len(rows):
        late = rows[rows["mjd_tai"] >= rows["mjd_tai"][-1] - days]
        for band in np.unique(late["band"]):
            some = late[late["band"] == band]
            if len(some) > 1 and (passed := some["mjd_tai"][-1] - some["mjd_tai"][0]) > 0:
                change = float(some["flux_njy"][-1]) - float(some["flux_njy"][0])
                fastest = max(
                    fastest, change / passed / float(np.hypot(some["flux_err_njy"][-1], some["flux_err_njy"][0]))
                )
    return fastest
