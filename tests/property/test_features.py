"""Laws 1 and 2 of the features, bit for bit, on tables of whatever an adapter lets through."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bounds import BRIGHTEST_NJY, LARGEST_MWEBV, LARGEST_PHOTOZ, LATEST_MJD, SMALLEST_ERROR_NJY
from model.features import CONTEXT, encode, follow, pad, start_carry
from model.observation import OBSERVATION, LightCurve

BRIGHTEST = float(np.float32(BRIGHTEST_NJY))
FLUXES = st.sampled_from([0.0, -0.0, 1e-45, BRIGHTEST, -BRIGHTEST]) | st.floats(-BRIGHTEST, BRIGHTEST, width=32)
ERRORS = st.sampled_from([1.01 * SMALLEST_ERROR_NJY, 1.0, BRIGHTEST]) | st.floats(2**-10, BRIGHTEST, width=32)
TIMES = st.sampled_from([5e-324, 59_000.0, 59_000.000001, float(np.nextafter(LATEST_MJD, 0))]) | st.floats(1, 199_999)
ROWS = st.lists(st.tuples(TIMES, FLUXES, ERRORS, st.integers(0, 5), st.booleans()), min_size=1, max_size=12)
REDSHIFTS = st.sampled_from([np.nan, 0.0, 1e-45, LARGEST_PHOTOZ]) | st.floats(0, LARGEST_PHOTOZ, width=32)
CONTEXTS = st.tuples(REDSHIFTS, REDSHIFTS, st.sampled_from([np.nan, 0.0, LARGEST_MWEBV, 0.03125]), st.integers(-1, 1))


@given(st.lists(st.tuples(ROWS, CONTEXTS), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_one_observation_a_call_gives_the_bytes_that_a_padded_batch_gives_and_all_are_finite(tables):
    curves = [LightCurve.of(np.array(rows, dtype=OBSERVATION)).observations for rows, _ in tables]
    contexts = np.array([context for _, context in tables], dtype=CONTEXT)
    observations, lengths = pad(curves)
    batch = encode(observations, lengths, contexts)
    assert np.isfinite(batch.inputs).all()
    assert np.isfinite(batch.statistics).all()
    for i, curve in enumerate(curves):
        carry = start_carry(1)
        for t in range(len(curve)):
            one = np.array([0]), np.array([1]), contexts[i : i + 1]
            inputs, statistics = follow(curve[t : t + 1], *one, carry, np.array([True]))
            assert inputs.tobytes() == batch.inputs[i, t].tobytes()
            assert statistics.tobytes() == batch.statistics[i, t].tobytes()
        assert carry.tobytes() == batch.carry[i].tobytes()
