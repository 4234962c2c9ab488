import numpy as np
import pytest

from model.cosmology import HUBBLE_DISTANCE_GPC, luminosity_distance_gpc


@pytest.mark.parametrize(("z", "gpc"), [(0.1, 0.460), (0.5, 2.833), (1.0, 6.607), (3.0, 25.42)])
def test_distances_are_those_of_the_usual_calculators(z, gpc):
    """For H0 = 70 and Omega_m = 0.3, flat; e.g. Wright 2006 (astro-ph/0609593)."""
    assert luminosity_distance_gpc(np.array([z]))[0] == pytest.approx(gpc, rel=2e-3)


def test_nearby_it_is_hubbles_law_and_it_only_grows():
    z = np.array([0.0, 1e-3, 0.5, 2.0, 12.0])
    distances = luminosity_distance_gpc(z)
    assert distances[0] == 0
    assert distances[1] == pytest.approx(1e-3 * HUBBLE_DISTANCE_GPC, rel=2e-3)
    assert (np.diff(distances) > 0).all()


def test_what_lies_beyond_is_held():
    assert (
        luminosity_distance_gpc(np.array([-1.0, 99.0])).tolist()
        == luminosity_distance_gpc(np.array([0.0, 12.0])).tolist()
    )
