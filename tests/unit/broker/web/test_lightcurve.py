import numpy as np
import pytest

from broker.lightcurves.store import InMemoryLightCurves
from broker.web.lightcurve import LightCurves, magnitudes, rise_sigma
from tests.support.webpage import log_of, rows_of


def test_a_light_curve_is_what_the_log_holds_as_a_set_without_what_is_damaged():
    store = InMemoryLightCurves()
    key = b"ztf/a"
    rows = rows_of((2.0, 5.0, 1.0, 1, True), (1.0, 4.0, 1.0, 1, True), (2.0, 5.0, 1.0, 1, True))
    store.logs[key] = [*log_of(key, rows), b"nonsense"]
    (found,) = LightCurves(store).of(["ztf/a"])
    assert found["mjd_tai"].tolist() == [1.0, 2.0]
    assert len(LightCurves(store).of(["ztf/none"])[0]) == 0


def test_magnitudes_are_of_what_is_seen():
    m, error = magnitudes(
        rows_of(
            (1.0, 10 ** (0.4 * (31.4 - 20)), 1000.0, 1, True), (1.0, -3631.0, 100.0, 1, True), (1.0, 2.0, 1.0, 1, False)
        )
    )
    assert m[0] == pytest.approx(20.0, abs=1e-5)
    assert np.isfinite(m[1])
    assert np.isnan(m[2])
    assert error[1] == pytest.approx(1.0857 * 100 / 3631, rel=1e-4)


def test_a_rise_is_the_fastest_of_a_band_in_the_last_days():
    rows = rows_of(
        (1.0, 900.0, 1.0, 2, True), (10.0, 0.0, 3.0, 1, True), (12.0, 50.0, 4.0, 1, True), (12.0, 7.0, 1.0, 3, True)
    )
    assert rise_sigma(rows) == pytest.approx(50 / 2 / 5)
    assert rise_sigma(rows[:1]) == 0.0
    assert rise_sigma(rows[:0]) == 0.0


def test_of_a_long_log_the_newest_entries_are_read():
    store = InMemoryLightCurves()
    store.logs[b"ztf/a"] = log_of(b"ztf/a", rows_of(*((float(i), 1.0, 1.0, 1, True) for i in range(9))))
    (found,) = LightCurves(store).of(["ztf/a"], 2)
    assert found["mjd_tai"].tolist() == [7.0, 8.0]
