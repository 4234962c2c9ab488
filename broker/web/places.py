"""Where on the sky: HEALPix pixels that are an index for cones.

Górski et al. 2005, ApJ 622, 759; nested order at nside 1024, pixels of 3.4 arcmin.
"""

import numpy as np
from hpgeom import angle_to_pixel, query_circle
from numpy.typing import NDArray

NSIDE = 1024
LARGEST_CONE_DEG = 2.0  # some 4,000 pixels
FARTHEST_CORNER_DEG = 0.07  # of a pixel from its centre: it is less than 0.06 anywhere


def pixels(places_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """The pixel of each place [n, 2], right ascension and declination [deg]; -1 where there is no such place. [n]."""
    ra, dec = places_deg.T
    known = (ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90)  # false for NaN
    found = np.full(len(places_deg), -1, np.int64)
    if known.any():
        found[known] = angle_to_pixel(NSIDE, places_deg[known, 0], places_deg[known, 1], degrees=True)
    return found


def cone(ra_deg: float, dec_deg: float, radius_deg: float) -> NDArray[np.int64]:
    """Every pixel [k] that a circle touches. Raises ValueError where it is too large."""
    if not 0 < radius_deg <= LARGEST_CONE_DEG:
        raise ValueError(f"a radius of {radius_deg:g} deg; above 0 and at most {LARGEST_CONE_DEG:g} deg is searched")
    found: NDArray[np.int64] = query_circle(NSIDE, ra_deg, dec_deg, radius_deg, inclusive=True, degrees=True)
    return found


def within_pixels(ra_deg: float, dec_deg: float, radius_deg: float) -> NDArray[np.int64]:
    """Every pixel [k] that lies within a circle as a whole."""
    if radius_deg <= FARTHEST_CORNER_DEG:
        return np.empty(0, np.int64)
    centres: NDArray[np.int64] = query_circle(NSIDE, ra_deg, dec_deg, radius_deg - FARTHEST_CORNER_DEG, degrees=True)
    return centres


def separations_deg(places_deg: NDArray[np.float64], ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    """How far places [n, 2] are from one [deg]: the haversine formula. [n]."""
    ra, dec = np.radians(places_deg).T
    ra0, dec0 = np.radians([ra_deg, dec_deg])
    inner = np.sin((dec - dec0) / 2) ** 2 + np.cos(dec) * np.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
    separations: NDArray[np.float64] = np.degrees(2 * np.arcsin(np.sqrt(np.clip(inner, 0, 1))))
    return separations
