"""A client that reaches no server is given up after a while, the next one later."""

import pytest
from confluent_kafka import KafkaError

from broker.kafka import cutoff
from broker.kafka.cutoff import CutOff

AWAY = KafkaError(KafkaError._TRANSPORT)


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(cutoff, "monotonic", lambda: now[0])
    return now


def given_up_at(cut_off, clock, seconds):
    began, found = clock[0], []
    while clock[0] < began + seconds:
        if cut_off.too_long(AWAY):
            found.append(clock[0] - began)
        clock[0] += 1.0
    return found


def test_each_client_is_given_twice_the_time_of_the_one_before(clock):
    assert given_up_at(CutOff(), clock, 2_000) == [30, 90, 210, 450, 930, 1_530]


def test_an_answer_of_any_kind_begins_the_time_anew(clock):
    cut_off = CutOff()
    assert given_up_at(cut_off, clock, 100) == [30, 90]
    assert not cut_off.too_long(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert given_up_at(cut_off, clock, 40) == [30]
    cut_off.over()
    assert given_up_at(cut_off, clock, 40) == [30]
