"""How far partitions are behind, told by librdkafka's statistics and by what was read and committed."""

import json

import pytest

from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.kafka.unread import Unread
from broker.metrics import Behind

PLACE = ("alerts", 0)


@pytest.fixture
def now():
    return [1_000_000]


@pytest.fixture
def unread(now):
    unread = Unread(now_ms=lambda: now[0])
    unread.hold({PLACE})
    return unread


def batch(first, last, at_ms=1):
    return Batch.of([Message(*PLACE, offset, at_ms + offset, value=b"") for offset in range(first, last + 1)])


def tell(unread, end, *, fetched, waiting=0, committed=-1001, high=None):
    one = {"ls_offset": end, "hi_offset": high or end, "next_offset": fetched, "fetchq_cnt": waiting}
    one |= {"committed_offset": committed}
    unread.told(json.dumps({"topics": {"alerts": {"partitions": {"0": one, "-1": one}}}}))
    return unread.partitions.each.get(PLACE)


def test_before_anything_was_read_the_lag_is_from_where_the_group_stands_and_no_age_is_known(unread):
    assert tell(unread, 100, fetched=60, waiting=20, committed=40) == Behind(60, 100, 0)
    assert tell(unread, 100, fetched=60, waiting=20) == Behind(60, 100, 0)


def test_what_is_in_hand_is_unread_until_it_is_committed(unread, now):
    unread.read(batch(40, 49))
    assert tell(unread, 50, fetched=50) == Behind(10, 50, 41), "the oldest is in hand: its time is known"
    unread.committed(batch(40, 44))
    assert tell(unread, 50, fetched=50) == Behind(5, 50, 45)
    unread.committed(batch(45, 49))
    assert tell(unread, 50, fetched=50) == Behind(0, 50, None)
    now[0] += 5_000
    assert tell(unread, 52, fetched=52, waiting=2) == Behind(2, 52, 1_000_000), "they came since the last look"


def test_the_mark_of_a_transaction_behind_the_last_message_is_no_unread_message(unread):
    unread.committed(batch(0, 9))
    assert tell(unread, 11, fetched=11) == Behind(0, 11, None)


def test_what_is_in_an_open_transaction_is_not_yet_there(unread):
    unread.committed(batch(0, 9))
    assert tell(unread, 10, fetched=10, high=500) == Behind(0, 10, None)


def test_a_partition_that_is_given_up_is_gone_at_once_and_what_is_not_held_is_not_told(unread):
    tell(unread, 100, fetched=60, committed=40)
    unread.hold(set())
    assert unread.partitions.each == {}
    assert tell(unread, 100, fetched=60, committed=40) is None


def test_nothing_is_said_where_nothing_is_known(unread):
    assert tell(unread, -1001, fetched=-1001) is None
    unread.told("{}")
