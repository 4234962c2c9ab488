import numpy as np
import pytest

from broker.web.places import cone, pixels, separations_deg


def test_a_cone_holds_the_pixel_of_each_place_in_it_also_at_the_poles_and_zero_hours():
    rng = np.random.default_rng(0)
    for ra, dec in ((0.0, 0.0), (359.999, 45.0), (12.0, 90.0), (200.0, -89.9)):
        near = np.stack([(ra + rng.uniform(-1, 1, 300)) % 360, np.clip(dec + rng.uniform(-1, 1, 300), -90, 90)], axis=1)
        inside = separations_deg(near, ra, dec) <= 0.5
        assert inside.any()
        assert np.isin(pixels(near[inside]), cone(ra, dec, 0.5)).all()


def test_what_is_no_place_has_no_pixel():
    some = np.array([[np.nan, 1.0], [1.0, np.nan], [400.0, 0.0], [-1.0, 0.0], [1.0, 91.0], [np.inf, 0.0]])
    assert pixels(some).tolist() == [-1] * 6
    assert pixels(np.array([[0.0, 90.0], [360.0, -90.0]])).min() >= 0


@pytest.mark.parametrize("radius", [0.0, -1.0, 2.5, float("nan"), float("inf")])
def test_a_radius_that_is_none_is_refused(radius):
    with pytest.raises(ValueError, match="deg is searched"):
        cone(0.0, 0.0, radius)


def test_separations_are_small_where_they_are_small_and_180_degrees_across():
    places = np.array([[10.0, 20.0], [10.0, 20.0 + 1e-7], [190.0, -20.0]])
    assert separations_deg(places, 10.0, 20.0) == pytest.approx([0.0, 1e-7, 180.0], abs=1e-9)
