"""What is asked again of Kafka, and for how long."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.kafka import moves
from broker.kafka.moves import accepted, settled


def refusal(code):
    return KafkaException(KafkaError(code))


def refusing(code, times):
    """A question that Kafka refuses so often, and a list that grows with each time it is asked."""
    asked = []

    def ask():
        asked.append(code)
        if len(asked) <= times:
            raise refusal(code)
        return "answer"

    return ask, asked


@pytest.fixture
def pauses(monkeypatch):
    """How long it waited each time; no time goes by."""
    waited = []
    monkeypatch.setattr(moves, "sleep", waited.append)
    return waited


def test_what_moves_is_asked_again_ever_more_slowly(pauses):
    ask, asked = refusing(KafkaError.NOT_LEADER_FOR_PARTITION, 6)
    heard = []
    assert settled(ask, 5.0, lambda: heard.append(len(asked))) == "answer"
    assert heard == [1, 2, 3, 4, 5, 6]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_refusal_meanwhile_does_not_end_it(pauses):
    def refused():
        raise refusal(KafkaError._TRANSPORT)

    assert settled(refusing(KafkaError._NOENT, 2)[0], 5.0, refused) == "answer"
    assert len(pauses) == 2


def test_what_does_not_settle_is_refused_in_the_end_with_its_own_reason(monkeypatch):
    monkeypatch.setattr(moves, "PAUSE_S", 0.01)
    ask, asked = refusing(KafkaError.COORDINATOR_NOT_AVAILABLE, 1_000)
    with pytest.raises(KafkaException) as caught:
        settled(ask, 0.1)
    assert caught.value.args[0].code() == KafkaError.COORDINATOR_NOT_AVAILABLE
    assert len(asked) > 2


def test_what_is_refused_for_good_is_asked_once(pauses):
    ask, asked = refusing(KafkaError.GROUP_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        settled(ask, 5.0)
    assert (len(asked), pauses) == (1, [])


def test_an_answer_is_refused_where_one_partition_of_it_is():
    whole = [SimpleNamespace(error=None), SimpleNamespace(error=None)]
    assert (accepted(whole), accepted(None)) == (whole, [])
    with pytest.raises(KafkaException) as caught:
        accepted([*whole, SimpleNamespace(error=KafkaError(KafkaError.NOT_COORDINATOR))])
    assert caught.value.args[0].code() == KafkaError.NOT_COORDINATOR
