import numpy as np
import pytest

from broker.web import pulse
from broker.web.pulse import Pulse


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(pulse, "time", lambda: now[0])
    return now


def beat(made, count, latency_s=0.02, ago_s=0):
    at = np.full(count, int(pulse.time()) - ago_s)
    made.beat(["ztf"] * count, np.full(count, 90), np.zeros(count, bool), np.full(count, latency_s), at)


def test_a_rate_is_of_whole_seconds_and_those_that_are_still_coming_are_none(clock):
    made = Pulse()
    for _ in range(5):
        beat(made, 10)
        clock[0] += 1
    clock[0] += pulse.STILL_COMING_S
    beat(made, 1_000, ago_s=1)
    assert made.last(5).rate == 10
    assert made.rates(8) == [0, 10, 10, 10, 10, 10, 0, 1_000]
    assert made.total == 1_050


def test_latencies_are_within_a_tenth_or_two(clock):
    made = Pulse()
    beat(made, 98, 0.02)
    beat(made, 2, 5.0)
    clock[0] += 1 + pulse.STILL_COMING_S
    last = made.last(10)
    assert last.latency_s(0.5) == pytest.approx(0.02, rel=0.25)
    assert last.latency_s(0.99) == pytest.approx(5.0, rel=0.25)
    assert Pulse().last(10).latency_s(0.5) is None


def test_an_hour_is_kept_and_no_more(clock):
    made = Pulse()
    for _ in range(4_000):
        beat(made, 1)
        clock[0] += 1
    assert made.last(10_000).alerts == 3_600 - pulse.STILL_COMING_S
    assert len(made._seconds) == 3_600


def test_what_was_published_long_ago_and_is_read_now_is_none_of_the_last_hours(clock):
    clock[0] = 1_000_000.0
    made = Pulse()
    made.beat(["ztf"] * 500, np.full(500, 90), np.ones(500, bool), np.full(500, 90.0), np.full(500, 1_000_000 - 72_000))
    beat(made, 7, ago_s=1_800)
    clock[0] += 1 + pulse.STILL_COMING_S
    hour = made.last(3_600)
    assert (hour.alerts, hour.anomalies, hour.latency_s(0.99) < 1.0) == (7, 0, True)
    assert (made.last(60).alerts, max(made.rates(300)), made.total) == (0, 0, 507)


def test_a_clock_that_is_ahead_counts_as_now(clock):
    made = Pulse()
    beat(made, 3, ago_s=-500)
    clock[0] += 1 + pulse.STILL_COMING_S
    assert made.last(5).alerts == 3


def test_any_seconds_are_the_sum_of_theirs_wherever_minutes_begin_and_whenever_they_were_read(clock):
    clock[0] = 1_000_000.0
    made, counts = Pulse(), {}
    for ago_s in [*range(200, 0, -1), 170, 121, 3]:
        beat(made, ago_s, 0.02, ago_s)
        counts[1_000_000 - ago_s] = counts.get(1_000_000 - ago_s, 0) + ago_s
    for clock[0] in range(1_000_000, 1_000_062):
        for seconds in (1, 5, 59, 60, 61, 119, 180, 300):
            until = int(clock[0]) - pulse.STILL_COMING_S
            wanted = sum(count for at, count in counts.items() if until - seconds <= at < until)
            last = made.last(seconds)
            assert (last.alerts, last.classes["ztf", 90], last.latencies.sum()) == (wanted,) * 3
