"""Which places lie in a deep field: against the same formula one by one, and at the edge."""

import numpy as np
import pytest

from broker.surveys.places import DEEP_FIELDS_DEG, RADIUS_DEG, deep


@pytest.mark.parametrize("name", DEEP_FIELDS_DEG)
def test_a_field_ends_at_its_radius(name):
    ra, dec = DEEP_FIELDS_DEG[name]
    inside, outside = ([ra, dec - RADIUS_DEG * part] for part in (0.999, 1.001))
    if name.startswith("EDFS"):  # the two overlap
        inside, outside = ([ra, dec], [ra, dec + 3])
    assert deep(np.array([inside, outside])).tolist() == [1, 0]


def test_far_from_all_fields_and_nowhere():
    places = [[0.0, 90.0], [0.0, -90.0], [250.0, 10.0], [np.nan, 2.2], [150.1, np.nan]]
    assert deep(np.array(places)).tolist() == [0, 0, 0, -1, -1]


def test_right_ascension_narrows_toward_the_pole():
    """At -48 degrees a degree of right ascension is two thirds of one."""
    ra, dec = DEEP_FIELDS_DEG["EDFS b"]
    assert deep(np.array([[ra + 2.5, dec], [ra + 2.7, dec]])).tolist() == [1, 0]


def test_no_places():
    assert deep(np.empty((0, 2))).tolist() == []


def test_an_infinite_place_is_in_no_field_and_no_warning():
    places = np.array([[np.inf, 0.0], [10.0, -np.inf], [np.inf, np.inf]])
    assert deep(places).tolist() == [0, 0, 0]
