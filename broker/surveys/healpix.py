"""Cells of the sky of equal area: HEALPix in nested order, after Gorski et al. 2005, ApJ 622, 759."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BELT = 2 / 3  # of the sine of the declination: beyond it lie the polar caps


def cell_of(places_deg: NDArray[np.float64], nside: int) -> Ints:
    """The nested cells [n] in which places [n, 2] lie, right ascension and declination; -1 where one is unknown.

    Args:
        places_deg: [n, 2], ICRS, or whatever frame the cells are of.
        nside: a power of two.
    """
    known = np.isfinite(places_deg[:, 0]) & np.isfinite(places_deg[:, 1])
    ra, dec = np.where(known[:, None], places_deg, 0.0).T
    z, quarter = np.sin(np.radians(dec)), np.mod(ra, 360.0) / 90.0  # of the turn, in [0, 4)
    face, x, y = np.where(np.abs(z) <= BELT, belt(z, quarter, nside), caps(z, quarter, nside))
    return np.where(known, face * nside**2 + (spaced(x) | spaced(y) << 1), -1)


def belt(z: NDArray[np.float64], quarter: NDArray[np.float64], nside: int) -> Ints:
    """Base cell, x and y [3, n] of places near the equator."""
    up = np.floor(nside * (0.5 + quarter - 0.75 * z)).astype(np.int64)
    down = np.floor(nside * (0.5 + quarter + 0.75 * z)).astype(np.int64)
    rising, falling = up // nside, down // nside
    face = np.where(rising == falling, rising | 4, np.where(rising < falling, rising, falling + 8))
    return np.stack([face, down % nside, nside - 1 - up % nside])


def caps(z: NDArray[np.float64], quarter: NDArray[np.float64], nside: int) -> Ints:
    """Base cell, x and y [3, n] of places near a pole."""
    sector = np.minimum(quarter.astype(np.int64), 3)
    along, width = quarter - sector, nside * np.sqrt(3 * (1 - np.abs(z)))
    up = np.minimum((along * width).astype(np.int64), nside - 1)
    down = np.minimum(((1 - along) * width).astype(np.int64), nside - 1)
    north = np.stack([sector, nside - 1 - down, nside - 1 - up])
    return np.where(z >= 0, north, np.stack([sector + 8, up, down]))


def spaced(values: Ints) -> Ints:
    """Numbers [n] below 2^16 with a zero bit before each of theirs."""
    found = values.copy()
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        found = (found | found << shift) & mask
    return found
