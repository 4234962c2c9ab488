"""Cells against what HEALPix's own library documents, and against what makes them HEALPix."""

import numpy as np
import pytest

from broker.surveys.healpix import cell_of


def sky(n, seed=0):
    """Places [n, 2] spread evenly over the sphere."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))], axis=1)


def test_the_first_cells_of_nside_2_are_those_of_healpys_documentation():
    """`healpy.ring2nest(2, numpy.arange(10))` is 3, 7, 11, 15, 2, 1, 6, 5, 10, 9; the rings' centres are known."""
    first = [(45.0 + 90 * i, np.degrees(np.arcsin(11 / 12))) for i in range(4)]
    second = [(22.5 + 45 * i, np.degrees(np.arcsin(2 / 3)) + 1e-9) for i in range(6)]
    assert cell_of(np.array(first + second), 2).tolist() == [3, 7, 11, 15, 2, 1, 6, 5, 10, 9]


def test_base_cells_lie_where_they_should():
    north, south = ([(ra, dec) for ra in (45, 135, 225, 315)] for dec in (60, -60))
    assert cell_of(np.array(north, float), 1).tolist() == [0, 1, 2, 3]
    assert cell_of(np.array(south, float), 1).tolist() == [8, 9, 10, 11]
    assert cell_of(np.array([(0.0, 0), (90, 0), (180, 0), (270, 0), (360, 0)]), 1).tolist() == [4, 5, 6, 7, 4]


@pytest.mark.parametrize("nside", [2, 64, 8192])
def test_a_cell_lies_in_the_coarser_cell_that_its_number_names(nside):
    places = sky(20_000)
    assert (cell_of(places, nside) // 4 == cell_of(places, nside // 2)).all()


def test_cells_have_equal_areas():
    counts = np.bincount(cell_of(sky(200_000), 4), minlength=192)
    assert len(counts) == 192
    assert (np.abs(counts - 200_000 / 192) < 6 * np.sqrt(200_000 / 192)).all()


def test_places_of_a_cell_are_near_each_other():
    places = sky(50_000)
    cells = cell_of(places, 16)  # 3.7 degrees wide
    ra, dec = np.radians(places).T
    toward = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    for cell in np.unique(cells)[::37]:
        own = toward[cells == cell]
        assert (own @ own.mean(axis=0) > np.cos(np.radians(5))).all()


def test_any_place_has_a_cell_and_an_unknown_one_has_none():
    odd = np.array([(0, 90), (0, -90), (360, 0), (-10, 5), (np.nan, 5), (5, np.nan), (np.inf, 0), (719.9, 41.81)])
    found = cell_of(odd, 8192)
    assert (found[[0, 1, 2, 3, 7]] >= 0).all()
    assert (found < 12 * 8192**2).all()
    assert found[[4, 5, 6]].tolist() == [-1, -1, -1]
    assert cell_of(np.empty((0, 2)), 4).tolist() == []
