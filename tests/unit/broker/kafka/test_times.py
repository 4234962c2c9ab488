"""The times fit each other, and those of librdkafka and of the configuration that they must fit."""

from broker.config import Kafka
from broker.kafka import times


def test_the_times_fit_each_other():
    assert times.TRY_S < times.NEVER_S < times.SETTLE_S <= times.TRANSACTION_S
    assert 3 * (times.GIVE_UP_S + times.NEVER_S) < times.MAX_POLL_S
    assert times.TRANSACTION_S < times.CUT_OFF_S <= times.LONGEST_CUT_OFF_S
    assert 2 * times.TRANSACTION_S < times.FENCED_AGAIN_S


def test_the_group_waits_longer_than_a_worker_settles():
    """A worker that settles sends heartbeats: max.poll.interval.ms, which nobody sets, is what expels it."""
    settings = Kafka().consumer()
    assert settings.get("max.poll.interval.ms", times.MAX_POLL_S * 1000) == times.MAX_POLL_S * 1000
    assert times.SETTLE_S + times.GIVE_UP_S < times.MAX_POLL_S
