"""The report's columns, by hand and by pandas."""

import numpy as np
import pandas as pd
import pytest

from model.observation import FLUXCAL_NJY, OBSERVATION, Context, LightCurve
from tests.support.curves import curve
from training.comparison.report_features import REPORT_INPUTS, REPORT_STATISTICS, report_inputs, report_statistics


def test_the_reports_31_statistics_are_pandas():
    rows = curve(40)
    got = dict(zip(REPORT_STATISTICS, report_statistics(LightCurve(rows), Context(0.3, 0.1, 0.05)), strict=True))
    assert len(got) == 31
    flux = pd.Series(rows["flux_njy"] / FLUXCAL_NJY)
    error = pd.Series(rows["flux_err_njy"] / FLUXCAL_NJY)
    ratio2 = (flux / error) ** 2
    for name in ("min", "max", "mean", "median", "std", "skew"):
        assert got[f"flux_{name}"] == pytest.approx(getattr(flux, name)())
        assert got[f"flux_err_{name}"] == pytest.approx(getattr(error, name)())
    assert got["flux_ratio_sq_skew"] == pytest.approx(ratio2.skew())
    assert got["flux_weighted_mean"] == pytest.approx((flux * ratio2).sum() / ratio2.sum())
    assert (got["size"], got["hostgal_photoz"]) == (40, 0.3)


def test_the_reports_statistics_of_one_observation_are_numbers():
    one = np.zeros(1, OBSERVATION)
    one["flux_err_njy"], one["mjd_tai"] = 1, 59_000
    assert np.isfinite(report_statistics(LightCurve(one), Context(0.0, 0.0, 0.0))).all()


def test_the_reports_8_inputs_by_hand():
    rows = np.zeros(3, OBSERVATION)
    rows["mjd_tai"], rows["flux_njy"], rows["band"] = (100, 103, 107), np.array([1, 3, 5]) * FLUXCAL_NJY, (2, 2, 5)
    got = dict(zip(REPORT_INPUTS, report_inputs(LightCurve(rows)).T, strict=True))
    assert len(got) == 8
    assert got["dt"].tolist() == [0, 3, 4]
    assert got["normalised_flux"] == pytest.approx(np.array([-2, 0, 2]) / np.std([1, 3, 5]))
    assert got["band_r"].tolist() == [1, 1, 0]
    assert got["band_y"].tolist() == [0, 0, 1]


def test_a_flux_that_never_changes_is_0():
    rows = np.zeros(4, OBSERVATION)
    rows["flux_njy"], rows["flux_err_njy"] = 7, 1
    assert (report_inputs(LightCurve(rows))[:, 1] == 0).all()
