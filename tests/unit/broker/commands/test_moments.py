"""Times and nights as an operator writes them."""

from datetime import UTC, datetime

import pytest

from broker.commands.moments import moment, night
from broker.errors import StartupError


def ms(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", ms(2026, 11, 23)),
        ("2026-11-23T04:30", ms(2026, 11, 23, 4, 30)),
        ("2026-11-23T04:30:00Z", ms(2026, 11, 23, 4, 30)),
        ("2026-11-23T04:30+02:00", ms(2026, 11, 23, 2, 30)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize("text", ["2026-11-23", "61367"])
def test_a_night_goes_from_noon_to_noon(text):
    assert night(text) == (ms(2026, 11, 23, 12), ms(2026, 11, 24, 12))


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1e5"])
def test_what_is_no_time_is_said(text):
    with pytest.raises(StartupError, match="is no time; write"):
        moment(text)


@pytest.mark.parametrize("text", ["", "tonight", "2026-02-30", "61367.5", "-5", "9999999999"])
def test_what_is_no_night_is_said(text):
    with pytest.raises(StartupError, match="is no night; write"):
        night(text)
