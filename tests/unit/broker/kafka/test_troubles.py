"""Of all that librdkafka says, the cause is told."""

import re

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.errors import TransientError
from broker.kafka.troubles import Troubles, refusal

RESOLVE = KafkaError(KafkaError._RESOLVE, "Failed to resolve 'kafka:9092'")
DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "Local: Timed out")
FORBIDDEN = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed")


def test_the_first_error_is_told_and_not_what_follows_from_it():
    troubles = Troubles()
    assert not troubles
    assert troubles.told(TIMED_OUT) == "Local: Timed out"
    for error in (DOWN, RESOLVE, TIMED_OUT):
        troubles(error)
    assert (bool(troubles), troubles.away) == (True, True)
    assert troubles.told(TIMED_OUT) == troubles.told("did not return") == RESOLVE.str()


def test_an_error_of_long_ago_is_told_beside_what_is_wrong_now(monkeypatch):
    now = 0.0
    monkeypatch.setattr("broker.kafka.troubles.monotonic", lambda: now)
    troubles = Troubles()
    troubles(RESOLVE)
    now = 20.0
    assert troubles.told(TIMED_OUT) == "Local: Timed out; at first: Failed to resolve 'kafka:9092'"
    assert troubles.told("did not return") == "did not return; at first: Failed to resolve 'kafka:9092'"


def test_what_kafka_itself_answers_is_told_as_it_is():
    troubles = Troubles()
    troubles(RESOLVE)
    assert troubles.told(FORBIDDEN) == FORBIDDEN.str()


def test_what_is_over_is_told_no_more():
    troubles = Troubles()
    troubles(RESOLVE)
    troubles.over()
    assert not troubles
    assert troubles.told("something else") == "something else"


def test_what_kafka_refuses_is_transient_and_has_its_cause():
    troubles = Troubles()
    troubles(RESOLVE)
    with pytest.raises(TransientError, match="kafka: Failed to resolve"), troubles.named():
        raise KafkaException(TIMED_OUT)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, "topic out takes no record of 17 bytes; raise its max.message.bytes"),
        (KafkaError.INVALID_RECORD, "topic out refuses a record .*; set its cleanup.policy to delete"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "topic out: "),
    ],
)
def test_a_refusal_names_topic_and_remedy(code, words):
    assert re.match(words, refusal(KafkaError(code), "out", 17))
