"""Luminosity distance in a flat universe: H0 = 70 km/s/Mpc, Omega_m = 0.3."""

import numpy as np
from numpy.typing import NDArray

HUBBLE_DISTANCE_GPC = 299_792.458 / 70 / 1000
OMEGA_M = 0.3

_Z = np.linspace(0, 12, 12_001)
_INVERSE_E = 1 / np.sqrt(OMEGA_M * (1 + _Z) ** 3 + 1 - OMEGA_M)
_COMOVING_GPC = HUBBLE_DISTANCE_GPC * np.concatenate(
    [[0.0], np.cumsum((_INVERSE_E[1:] + _INVERSE_E[:-1]) / 2 * np.diff(_Z))]
)


def luminosity_distance_gpc(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """d_L(z) = (1 + z) x comoving distance [Gpc], any shape; z is held within [0, 12] (Hogg 1999, astro-ph/9905116)."""
    held = np.clip(z, 0, _Z[-1])
    return (1 + held) * np.interp(held, _Z, _COMOVING_GPC)
