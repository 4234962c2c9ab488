"""Calls are repeated while that is right, and never waited for without end."""

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.kafka import transactions
from broker.kafka.transactions import bounded, insist

AGAIN = KafkaException(KafkaError(KafkaError._TIMED_OUT, "again", False, True))
NEVER_AGAIN = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "no"))


def failing(*errors):
    left, seconds = list(errors), []

    def call(try_s):
        seconds.append(try_s)
        if left:
            raise left.pop(0)

    return call, seconds


def test_a_call_is_repeated_while_its_error_says_so_and_each_time_it_is_told():
    call, seconds = failing(AGAIN, AGAIN)
    told = []
    insist(call, 60.0, told.append)
    assert seconds == [transactions.TRY_S] * 3
    assert told == ["again"] * 2


@pytest.mark.parametrize(("error", "give_up_s"), [(NEVER_AGAIN, 60.0), (AGAIN, -1.0)], ids=["final", "too long"])
def test_what_cannot_be_repeated_or_lasts_too_long_is_raised(error, give_up_s):
    call, seconds = failing(error)
    with pytest.raises(KafkaException):
        insist(call, give_up_s)
    assert len(seconds) == 1


def test_a_call_that_never_returns_is_left(monkeypatch):
    monkeypatch.setattr(transactions, "NEVER_S", 0.05)
    with pytest.raises(TimeoutError, match="did not return"):
        bounded(threading.Event().wait)
