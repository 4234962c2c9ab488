"""Which part of the input is meant, and what cannot be."""

import pytest

from broker.commands import sending
from broker.commands.nights import Times, times_of
from broker.errors import StartupError

NIGHT_MS = 1_795_435_200_000  # 2026-11-23, noon UTC
DAY_MS = 86_400_000


def test_a_night_goes_from_noon_to_noon_and_times_are_as_they_are_written():
    assert times_of("2026-11-23", None, None) == Times(NIGHT_MS, NIGHT_MS + DAY_MS)
    assert times_of(None, "2026-11-23T12:00", None) == Times(NIGHT_MS, None)
    assert times_of(None, "2026-11-23T12:00", "2026-11-24T12:00") == Times(NIGHT_MS, NIGHT_MS + DAY_MS)
    assert times_of(None, None, None) is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("2026-11-23", "2026-11-23", None), "--night names a time already"),
        ((None, None, "2026-11-23"), "say with --from where it begins"),
        ((None, "2026-11-24", "2026-11-23"), "lies not after --from"),
        (("x", None, None), "'x' is no night"),
    ],
)
def test_times_that_cannot_be_are_said(asked, said):
    with pytest.raises(StartupError, match=said):
        times_of(*asked)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "name files to replay, or a time with --night or --from"),
        ({"files": ["a.csv"], "night": "2026-11-23"}, "one of the two"),
        ({"files": ["a.csv"], "group": "x"}, "--from-topic and --group are for a night"),
        ({"night": "2026-11-23"}, "say where the night goes"),
        ({"night": "2026-11-23", "topic": "a", "group": "b"}, "say where the night goes"),
        ({"night": "2026-11-23", "topic": "a", "survey": "ztf"}, "leave --survey, --framing and --schema out"),
    ],
)
def test_options_that_do_not_go_together_are_said_before_kafka_is_asked(options, said):
    with pytest.raises(StartupError, match=said):
        sending.replay(**options)
