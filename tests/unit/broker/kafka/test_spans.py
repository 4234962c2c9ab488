"""Spans without any server: what they say, and what is said where nobody answers."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from broker.accounts.ledger import FATE_BITS, Ledger
from broker.accounts.reconcile import candidates, offsets
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.spans import Span, read

NOBODY = {"bootstrap.servers": "127.0.0.1:1", "group.id": "nobody", "log_level": 2}


def test_nobody_answers():
    with pytest.raises(StartupError, match=r"nothing came from alerts\[0\] after offset 5 for 0 s \(.+\); look"):
        list(read(NOBODY, [Span("alerts", 0, 5, 9)], silence_s=0.2))


@pytest.mark.parametrize(
    "question",
    [
        lambda admin: spans.partitions(admin, ["alerts"]),
        lambda admin: spans.oldest(admin, [("alerts", 0)]),
        lambda admin: spans.at_time(admin, [("alerts", 0)], 1),
        lambda _: spans.committed(NOBODY, [("alerts", 0)]),
    ],
    ids=["partitions", "oldest", "at_time", "committed"],
)
def test_a_question_that_nobody_answers_is_an_error_never_a_number(question, monkeypatch):
    monkeypatch.setattr(spans, "ANSWER_S", 0.3)
    with pytest.raises(StartupError, match="Kafka does not answer"):
        question(AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 2}))


class Answer:
    """What an admin client gives: an offset, or a refusal."""

    def __init__(self, told):
        self.told = told

    def result(self, _):
        if isinstance(self.told, KafkaException):
            raise self.told
        return self.told


class Moving:
    """A consumer, and an admin client, that Kafka refuses to answer at first."""

    def __init__(self, *errors):
        self.errors = [KafkaException(KafkaError(code)) for code in errors]
        self.heard_who_leads = 0

    def committed(self, wanted, _):
        if self.errors:
            raise self.errors.pop(0)
        return wanted

    def list_offsets(self, wanted, **_):
        return {place: Answer(self.errors.pop(0) if self.errors else TopicPartition("", 0, 7)) for place in wanted}

    def list_topics(self, timeout):
        self.heard_who_leads += 1


def test_a_coordinator_that_moves_is_asked_again_and_what_is_refused_is_not():
    wanted = [TopicPartition("alerts", 0, 7)]
    moving = Moving(KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    assert spans.positions(moving, wanted) == wanted
    with pytest.raises(KafkaException):
        spans.positions(Moving(KafkaError.GROUP_AUTHORIZATION_FAILED), wanted)


def test_a_leader_that_moves_is_asked_again_once_the_client_has_heard_who_leads():
    """A partition that was just made is on a server that does not know yet that it leads it."""
    moving = Moving(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert spans.newest(moving, [("alerts", 0)]) == {("alerts", 0): 7}
    assert moving.heard_who_leads == 2
    with pytest.raises(StartupError, match="Kafka does not answer"):
        spans.newest(Moving(KafkaError.TOPIC_AUTHORIZATION_FAILED), [("alerts", 0)])


def test_an_empty_span_asks_nobody():
    assert list(read(NOBODY, [Span("alerts", 0, 5, 5), Span("alerts", 1, 9, 5)])) == []
    assert Span("alerts", 1, 9, 5).size == 0


@pytest.mark.parametrize(("text", "expected"), [(None, [None] * 3), ("80", [80] * 3), ("0:80,2:95", [80, None, 95])])
def test_offsets_are_for_all_partitions_or_for_each(text, expected):
    assert [offsets(text)(partition) for partition in range(3)] == expected


@pytest.mark.parametrize("text", ["", "a", "0:", "0:1:2", "0:80,95"])
def test_what_are_no_offsets_is_said(text):
    with pytest.raises(StartupError, match="are no offsets; write 80, or by partition 0:80,2:95"):
        offsets(text)


def test_the_input_is_read_only_around_what_has_no_fate():
    ledger = Ledger(Span("alerts", 0, 100, 50_100))
    gaps = {100, 150, 30_000, 30_001, 50_099}
    ledger.note(FATE_BITS["published"], [offset for offset in range(100, 50_100) if offset not in gaps])
    assert [span[2:] for span in candidates(ledger)] == [(100, 151), (30_000, 30_002), (50_099, 50_100)]
