"""Laws 1, 2 and 9 of the one feature function."""

import numpy as np
import pytest

from model.features import (
    CARRY_SIZE,
    INPUTS,
    STATISTICS,
    contexts,
    encode,
    pad,
)
from model.observation import FLUXCAL_NJY, Context, LightCurve, Observation
from tests.support.curves import context_rows, curve

LENGTHS = (1, 2, 3, 17, 60, 120)


@pytest.fixture(scope="module")
def batch():
    observations, lengths = pad([curve(n) for n in LENGTHS])
    return observations, lengths, context_rows(len(LENGTHS))


def test_columns_are_named_once(batch):
    encoded = encode(*batch)
    assert encoded.inputs.shape == (*batch[0].shape, len(INPUTS))
    assert encoded.statistics.shape == (*batch[0].shape, len(STATISTICS))
    assert encoded.carry.shape == (len(LENGTHS), CARRY_SIZE)
    assert len(set(INPUTS)) == len(INPUTS)
    assert len(set(STATISTICS)) == len(STATISTICS)


def test_law_2_steps_equal_one_pass_bit_for_bit(batch):
    observations, lengths, context = batch
    whole = encode(observations, lengths, context)
    carry = None
    for t in range(observations.shape[1]):
        step = encode(observations[:, t : t + 1], np.clip(lengths - t, 0, 1), context, carry)
        carry = step.carry
        there = lengths > t
        assert np.array_equal(step.inputs[there, 0], whole.inputs[there, t])
        assert np.array_equal(step.statistics[there, 0], whole.statistics[there, t])
    assert np.array_equal(carry, whole.carry, equal_nan=True)


def test_law_9_the_future_changes_no_earlier_row(batch):
    observations, lengths, context = batch
    whole = encode(observations, lengths, context)
    short = encode(observations[:, :10], np.minimum(lengths, 10), context)
    for row, n in enumerate(np.minimum(lengths, 10)):
        assert np.array_equal(short.inputs[row, :n], whole.inputs[row, :n])
        assert np.array_equal(short.statistics[row, :n], whole.statistics[row, :n])


def test_law_5_companions_and_padding_change_nothing(batch):
    observations, lengths, context = batch
    whole = encode(observations, lengths, context)
    for row, n in enumerate(lengths):
        alone = encode(observations[row : row + 1, :n], lengths[row : row + 1], context[row : row + 1])
        assert np.array_equal(alone.inputs[0], whole.inputs[row, :n])
        assert np.array_equal(alone.carry[0], whole.carry[row], equal_nan=True)


def test_only_differences_of_times_matter(batch):
    observations, lengths, context = batch
    later = observations.copy()
    later["mjd_tai"] += 1024.0  # a power of two, so that differences stay exact enough to compare
    before, after = encode(observations, lengths, context), encode(later, lengths, context)
    for row, n in enumerate(lengths):
        assert np.allclose(before.inputs[row, :n], after.inputs[row, :n], atol=1e-5)
        assert np.allclose(before.statistics[row, :n], after.statistics[row, :n], atol=1e-5)


def test_whatever_is_valid_gives_finite_columns():
    rng = np.random.default_rng(3)
    hostile = curve(60)
    hostile["flux_njy"] = rng.choice([0, 1e12, -1e12, 1e-12], 60)
    hostile["flux_err_njy"] = rng.choice([1e-6, 1, 1e12], 60)
    same_time = curve(5)
    same_time["mjd_tai"] = 59_000.0
    observations, lengths = pad([hostile, same_time, curve(1)] * 4)
    context = context_rows(12)
    context["host_photoz"][3] = 19.9
    encoded = encode(observations, lengths, context)
    assert np.isfinite(encoded.inputs).all()
    assert np.isfinite(encoded.statistics).all()


def test_a_column_by_hand():
    rows = LightCurve.of(
        [
            Observation(100.0, 10 * FLUXCAL_NJY, 1 * FLUXCAL_NJY, 2, False),
            Observation(103.0, 30 * FLUXCAL_NJY, 2 * FLUXCAL_NJY, 2, True),
            Observation(107.0, 20 * FLUXCAL_NJY, 2 * FLUXCAL_NJY, 3, True),
        ]
    ).observations
    encoded = encode(*pad([rows]), contexts([Context(1.0, 0.1, 0.02, False)]))
    inputs = dict(zip(INPUTS, encoded.inputs[0].T, strict=True))
    statistics = dict(zip(STATISTICS, encoded.statistics[0, 2], strict=True))
    assert inputs["log_dt"] == pytest.approx(np.log1p([0, 3, 4]))
    assert inputs["log_dt_rest"] == pytest.approx(np.log1p([0, 1.5, 2]))
    assert inputs["log_dt_band"] == pytest.approx(np.log1p([0, 3, 0]))
    assert inputs["log_since_detection"] == pytest.approx(np.log1p([0, 0, 4]))
    assert inputs["asinh_flux"] == pytest.approx(np.arcsinh([1, 3, 2]))
    assert inputs["change_band"] == pytest.approx([0, np.arcsinh(3) - np.arcsinh(1), 0])
    assert inputs["band_r"].tolist() == [1, 1, 0]
    assert statistics["log_count"] == pytest.approx(np.log1p(3))
    assert statistics["max_r"] == pytest.approx(np.arcsinh(3))
    assert statistics["weighted_mean_r"] == pytest.approx(np.arcsinh((10 / 1 + 30 / 4) / (1 + 1 / 4) / 10))
    assert statistics["log_since_peak"] == pytest.approx(np.log1p(4))
    assert statistics["detected_fraction"] == pytest.approx(2 / 3)
    assert (statistics["photoz"], statistics["galactic"], statistics["photoz_missing"]) == (1, 0, 0)
