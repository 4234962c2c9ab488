from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.config import Settings
from broker.web import feed, queries
from broker.web.feed import Feed
from broker.web.index import Index
from broker.web.pulse import Pulse
from tests.unit.broker.web.test_published import classification

SOURCE = (("source_topic", b"alerts"), ("source_partition", b"2"), ("source_offset", b"9"))


@dataclass
class Message:
    """What the client gives."""

    body: bytes
    place: int = 0
    named: tuple[tuple[str, bytes], ...] = SOURCE
    wrong: KafkaError | None = None
    where: tuple[str, int] = field(default=("misweeper.classifications", 1))

    def error(self):
        return self.wrong

    def topic(self):
        return self.where[0]

    def partition(self):
        return self.where[1]

    def offset(self):
        return self.place

    def headers(self):
        return list(self.named)

    def value(self):
        return self.body


@pytest.fixture
def followed(tmp_path):
    index, pulse = Index(tmp_path / "index.sqlite"), Pulse()
    yield Feed(Settings(), index, pulse, 0), index, pulse
    index.close()


def rows(index):
    with index.reading() as reading:
        return reading.execute("SELECT * FROM answers ORDER BY id").fetchall()


def test_what_is_read_is_written_and_counted(followed):
    made, index, pulse = followed
    made._take([Message(classification(anomaly=i == 1), 40 + i) for i in range(3)])
    assert [(r["offset"], r["source_partition"], r["source_offset"]) for r in rows(index)] == [
        (40, 2, 9), (41, 2, 9), (42, 2, 9),
    ]  # fmt: skip
    assert index.places() == {("misweeper.classifications", 1): 43}
    assert (pulse.total, [row["anomaly"] for row in rows(index)]) == (3, [0, 1, 0])


def test_a_night_is_counted_by_topic_the_anomalies_too(followed):
    made, index, _ = followed
    made._take([Message(classification(anomaly=i == 1), i) for i in range(3)])
    with index.reading() as reading:
        assert queries.nights(reading) == [
            {"night": "2026-11-17", "topic": "misweeper.anomalies", "messages": 1},
            {"night": "2026-11-17", "topic": "misweeper.classifications", "messages": 3},
        ]


def test_strangers_are_left_out_and_passed_by(followed):
    made, index, *_ = followed
    strangers = [
        Message(b"", 0),
        Message(b"\0\0\0\0\xc8nonsense", 1),
        Message(b"\0\0\0\0\x64abc", 2),
        Message(classification(mjd=float("nan")), 3),
        Message(classification(), 4, ()),
        Message(classification(), 5, (("source_topic", b"a"), ("source_partition", b"x"), ("source_offset", b"1"))),
    ]
    made._take([*strangers, Message(classification(alertId=7), 6)])
    assert [r["alert"] for r in rows(index)] == [7]
    assert made.strangers == len(strangers)
    assert index.places() == {("misweeper.classifications", 1): 7}


def test_of_a_flood_all_are_counted_and_every_anomaly_and_some_others_are_kept(followed, monkeypatch):
    made, index, pulse = followed
    monkeypatch.setattr(feed, "READ", 400)
    monkeypatch.setattr(feed, "KEPT_A_SECOND", 80)  # 40 of a read
    made._take([Message(classification(anomaly=i % 100 == 3), i) for i in range(400)])
    kept = [r["offset"] for r in rows(index)]
    assert {3, 103, 203, 303} <= set(kept)
    assert len(kept) == 44
    assert pulse.total == 400
    assert index.places() == {("misweeper.classifications", 1): 400}


def test_an_error_among_the_messages_leaves_all_of_them_to_be_read_again(followed):
    made, index, pulse = followed
    with pytest.raises(KafkaException):
        made._take([Message(classification(), 0), Message(b"", 1, wrong=KafkaError(KafkaError._ALL_BROKERS_DOWN))])
    assert (rows(index), index.places(), pulse.total) == ([], {}, 0)
