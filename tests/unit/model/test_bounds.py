import pytest

from model.bounds import LATEST_MJD, time_unit


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (2_460_000.5, "Julian date"),
        (1_655_000_000, "seconds since 1970"),
        (1_655_000_000_000, "milliseconds since 1970"),
        (-1.0, "a time is an MJD"),
        (float("inf"), "a time is an MJD"),
    ],
)
def test_a_time_in_another_unit_is_named(value, unit):
    assert unit in time_unit(value)


def test_the_remedy_gives_the_same_moment_in_mjd():
    """2022-06-12 02:13:20 UTC, in all three."""
    mjd = 1_655_000_000 / 86_400 + 40_587
    assert mjd == pytest.approx(1_655_000_000_000 / 86_400_000 + 40_587)
    assert 59_742 < mjd < 59_743 < LATEST_MJD
