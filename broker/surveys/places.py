"""What is known of an object from where it stands in the sky."""

import numpy as np
from numpy.typing import NDArray

DEEP_FIELDS_DEG = {  # right ascension and declination, ICRS
    "ELAIS-S1": (9.450, -44.025),
    "XMM-LSS": (35.575, -4.817),
    "ECDFS": (52.979, -28.117),
    "COSMOS": (150.108, 2.234),
    "EDFS a": (58.900, -49.320),
    "EDFS b": (63.600, -47.600),
}
RADIUS_DEG = 1.75  # of LSSTCam's field of view, 9.6 square degrees


def deep(places_deg: NDArray[np.float64]) -> NDArray[np.int8]:
    """Whether places [n, 2] lie in one of Rubin's deep drilling fields: 1 or 0, -1 where a place is unknown.

    Centres: `ddf_locations` of rubin_scheduler 3.5 and later, after the AGN white paper of 2018 (Document-30468).
    """
    centres = toward(np.array(list(DEEP_FIELDS_DEG.values())))
    cosines = toward(places_deg) @ centres.T  # [n, fields]
    inside = (cosines >= np.cos(np.radians(RADIUS_DEG))).any(axis=1)
    return np.where(np.isnan(places_deg).any(axis=1), -1, inside).astype(np.int8)


def toward(places_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors [n, 3] toward places [n, 2], right ascension and declination."""
    ra, dec = np.radians(np.where(np.isfinite(places_deg), places_deg, np.nan)).T  # of infinity a cosine warns
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
