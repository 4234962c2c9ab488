"""A client that reaches no server, where others do, is given up after a while, the next one later."""

import pytest
from confluent_kafka import KafkaError

from broker.kafka import cutoff
from broker.kafka.cutoff import CutOff, answers

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
    assert given_up_at(CutOff(lambda: True), clock, 2_000) == [15, 45, 105, 225, 465, 945, 1_545]


def test_none_is_given_up_while_kafka_answers_nobody_nor_at_once_when_it_does_again(clock):
    back_at = clock[0] + 1_000
    cut_off = CutOff(lambda: clock[0] >= back_at)
    assert given_up_at(cut_off, clock, 1_030) == [1_015]


def test_where_nobody_listens_nobody_is_answered():
    assert not answers({"bootstrap.servers": "127.0.0.1:1", "group.id": "nobody", "log_level": 2})


def test_an_answer_of_any_kind_begins_the_time_anew(clock):
    cut_off = CutOff(lambda: True)
    assert given_up_at(cut_off, clock, 100) == [15, 45]
    assert not cut_off.too_long(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert given_up_at(cut_off, clock, 40) == [15]
    cut_off.over()
    assert given_up_at(cut_off, clock, 40) == [15]
