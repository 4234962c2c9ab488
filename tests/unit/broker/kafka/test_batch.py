"""A micro-batch as columns, its parts, and which of it may have been written before."""

import numpy as np
import pytest
from confluent_kafka import Message as KafkaMessage

from broker.kafka.batch import Batch, Membership
from broker.kafka.doubts import Doubts
from broker.kafka.message import Message

HEADERS = [("a", b"1"), ("b", None), ("a", b"2")]


def from_kafka(partition, offset, value=b"v", topic="alerts", headers=None):
    return KafkaMessage(
        topic=topic, partition=partition, offset=offset, value=value, key=b"k", timestamp=(1, 5), headers=headers
    )


def numbered(*places):
    return Batch.of([Message("alerts", p, offset, 5, value=b"v" * 10) for p, offset in places])


def test_messages_become_columns_and_come_back_whole():
    group = Membership("proof")
    read = Batch.read([from_kafka(1, 7), from_kafka(0, 3, None, headers=HEADERS), from_kafka(1, 8, b"")], group, 4)
    assert read.values == [b"v", None, b""]
    assert (len(read), read.nbytes, read.epoch, read.group.metadata) == (3, 1, 4, "proof")
    assert [read.places[i] for i in read.place] == [("alerts", 1), ("alerts", 0), ("alerts", 1)]
    assert (read.offsets.tolist(), read.timestamps_ms.tolist()) == ([7, 3, 8], [5, 5, 5])
    assert (read.place.dtype, read.offsets.dtype, read.timestamps_ms.dtype) == (np.int32, np.int64, np.int64)
    assert read.message(1) == Message("alerts", 0, 3, 5, b"k", None, tuple(HEADERS))
    assert read.header("a") == [None, b"2", None]
    same = Batch.of([read.message(i) for i in range(3)], group, 4)
    assert [same.message(i) for i in range(3)] == [read.message(i) for i in range(3)]
    assert same.header("a") == read.header("a")


def test_a_part_has_its_own_offsets_and_the_group_and_epoch_of_the_whole():
    whole = numbered((0, 1), (1, 50), (0, 2), (1, 51), (2, 9))
    first, rest = whole.part(0, 3), whole.part(3, 9)
    assert [(p.partition, p.offset) for p in first.next_offsets()] == [(0, 3), (1, 51)]
    assert [(p.partition, p.offset) for p in rest.next_offsets()] == [(1, 52), (2, 10)]
    assert (first.group, rest.epoch) == (whole.group, whole.epoch)
    assert first.message(2) == whole.message(2)
    assert rest.message(0) == whole.message(3)


def test_an_empty_batch_goes_nowhere():
    assert Batch.read([], Membership(), 0).next_offsets() == []
    assert Batch.of([]).nbytes == 0


def marks(doubts, *places):
    return doubts.marks(numbered(*places)).tolist()


def test_the_first_messages_of_a_partition_are_in_doubt_and_no_more():
    doubts = Doubts(3, 1000)
    doubts.assigned(("alerts", 0))
    assert marks(doubts, (0, 100), (0, 101)) == [True, True]
    assert marks(doubts, (0, 102), (0, 103)) == [True, True], "a batch is not split for it"
    assert marks(doubts, (0, 104)) == [False]


def test_a_doubt_is_over_after_so_many_bytes_as_well():
    doubts = Doubts(100, 20)
    doubts.assigned(("alerts", 0))
    assert marks(doubts, (0, 0), (0, 1)) == [True, True]
    assert marks(doubts, (0, 2)) == [False]


def test_what_is_read_again_is_marked_up_to_where_reading_had_come():
    doubts = Doubts(1, 1)
    doubts.assigned(("alerts", 0))
    doubts.assigned(("alerts", 1))
    marks(doubts, (0, 0), (1, 0))
    assert marks(doubts, (0, 1), (1, 1), (0, 2)) == [False] * 3
    doubts.read_again()
    assert marks(doubts, (0, 1), (1, 1), (0, 2), (0, 3), (1, 2)) == [True, True, True, False, False]


@pytest.mark.parametrize("assigned_again", [True, False])
def test_a_partition_that_comes_back_is_in_doubt_like_a_new_one(assigned_again):
    doubts = Doubts(1, 1)
    doubts.assigned(("alerts", 0))
    marks(doubts, (0, 0))
    doubts.read_again()
    doubts.forget(("alerts", 0))
    if assigned_again:
        doubts.assigned(("alerts", 0))
    assert marks(doubts, (0, 0)) == [assigned_again]


@pytest.mark.parametrize(
    ("header", "kafka_ms", "sent_ms"),
    [
        (b"1764060000123.456", 1_764_060_000_900, 1_764_060_000_123),
        (b"1764060000123.456", 0, 1_764_060_000_123),  # Kafka says nothing
        (b"1764060000123.456", -1, 1_764_060_000_123),
        (b"1764060000123.456", 1_764_060_000_123 + 86_400_001, 1_764_060_000_123 + 86_400_001),  # a copy, days later
        (b"1764060000.123456", 1_764_060_000_900, 1_764_060_000_900),  # seconds
        (b"nan", 5, 5),
        (b"-1", 5, 5),
        (b"1e400", 0, 0),
        (b"soon", 5, 5),
        (b"\xff", 5, 5),
        (None, 5, 5),
    ],
)
def test_a_message_was_sent_when_its_survey_says_so_if_that_can_be(header, kafka_ms, sent_ms):
    told = Message("alerts", 0, 1, kafka_ms, headers=(("a", b"1"), ("producer_timestamp", header)))
    batch = Batch.of([told, told._replace(headers=())])
    assert (batch.sent_ms.tolist(), batch.timestamps_ms.tolist()) == ([sent_ms, kafka_ms], [kafka_ms, kafka_ms])
    assert batch.part(0, 1).sent_ms.tolist() == [sent_ms]
    if kafka_ms > 0:
        got = KafkaMessage(topic="alerts", partition=0, offset=1, timestamp=(1, kafka_ms), headers=list(told.headers))
        assert Batch.read([got], Membership(), 0).sent_ms.tolist() == [sent_ms]
