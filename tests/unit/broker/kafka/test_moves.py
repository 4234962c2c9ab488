"""What is asked again of Kafka, and for how long."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.kafka import moves
from broker.kafka.moves import settled


def refusing(code, times):
    """A question that Kafka refuses so often, and the seconds that it was given each time."""
    given = []

    def ask(within_s):
        given.append(within_s)
        if len(given) <= times:
            raise KafkaException(KafkaError(code))
        return "answer"

    return ask, given


def test_what_moves_is_asked_again_within_the_time_that_is_left(monkeypatch):
    monkeypatch.setattr(moves, "PAUSE_S", 0.01)
    ask, given = refusing(KafkaError.NOT_LEADER_FOR_PARTITION, 2)
    heard = []
    assert settled(ask, 5.0, lambda: heard.append(len(given))) == "answer"
    assert heard == [1, 2]
    assert 5.0 > given[1] > given[2] > 4.0


def test_what_does_not_settle_is_refused_in_the_end(monkeypatch):
    monkeypatch.setattr(moves, "PAUSE_S", 0.01)
    ask, given = refusing(KafkaError.COORDINATOR_NOT_AVAILABLE, 1_000)
    with pytest.raises(KafkaException):
        settled(ask, 0.1)
    assert len(given) > 2


def test_what_is_refused_for_good_is_asked_once():
    ask, given = refusing(KafkaError.GROUP_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        settled(ask, 5.0)
    assert len(given) == 1
