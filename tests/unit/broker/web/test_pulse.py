import numpy as np
import pytest

from broker.web import pulse
from broker.web.pulse import Pulse


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(pulse, "time", lambda: now[0])
    return now


def beat(made, count, latency_s=0.02):
    made.beat(["ztf"] * count, np.full(count, 90), 0, np.full(count, latency_s))


def test_a_rate_is_of_whole_seconds_and_the_present_one_is_none(clock):
    made = Pulse()
    for _ in range(5):
        beat(made, 10)
        clock[0] += 1
    beat(made, 1_000)
    assert made.last(5).rate == 10
    assert made.rates(6) == [0, 10, 10, 10, 10, 10]
    assert made.total == 1_050


def test_latencies_are_within_a_tenth_or_two(clock):
    made = Pulse()
    beat(made, 98, 0.02)
    beat(made, 2, 5.0)
    clock[0] += 1
    last = made.last(10)
    assert last.latency_s(0.5) == pytest.approx(0.02, rel=0.25)
    assert last.latency_s(0.99) == pytest.approx(5.0, rel=0.25)
    assert Pulse().last(10).latency_s(0.5) is None


def test_an_hour_is_kept_and_no_more(clock):
    made = Pulse()
    for _ in range(4_000):
        beat(made, 1)
        clock[0] += 1
    assert made.last(10_000).alerts == 3_600
