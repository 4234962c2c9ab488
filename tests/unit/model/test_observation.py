from itertools import permutations

import numpy as np
import pytest

from model.observation import OBSERVATION, LightCurve, Observation


def test_law_4_any_order_and_any_repeats_are_one_curve():
    seen = [
        Observation(3.0, 1.0, 1.0, 0, True),
        Observation(1.0, 2.0, 1.0, 1, False),
        Observation(1.0, 2.0, 1.0, 0, False),
    ]
    curves = {LightCurve.of([*order, order[0]]).observations.tobytes() for order in permutations(seen)}
    assert len(curves) == 1
    assert [(o["mjd_tai"], o["band"]) for o in LightCurve.of(seen).observations] == [(1.0, 0), (1.0, 1), (3.0, 0)]


@pytest.mark.parametrize(
    ("kept", "dropped"),
    [
        (Observation(1.0, 1.0, 9.0, 0, True), Observation(1.0, 5.0, 1.0, 0, False)),  # a detection
        (Observation(1.0, 1.0, 1.0, 0, True), Observation(1.0, 5.0, 2.0, 0, True)),  # the smaller error
        (Observation(1.0, 5.0, 1.0, 0, True), Observation(1.0, 1.0, 1.0, 0, True)),  # the larger flux
    ],
)
def test_of_one_time_and_band_one_is_kept_whichever_came_first(kept, dropped):
    for rows in ([kept, dropped], [dropped, kept]):
        curve = LightCurve.of(rows)
        assert len(curve) == 1
        assert Observation(*curve.observations[0].item()) == kept


@pytest.mark.parametrize("size", [0, 1])
def test_a_curve_of_none_or_one_is_as_it_is(size):
    assert len(LightCurve.of(np.zeros(size, OBSERVATION))) == size
