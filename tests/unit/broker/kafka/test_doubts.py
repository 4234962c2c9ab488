import numpy as np

from broker.kafka.batch import Batch
from broker.kafka.doubts import Doubts
from broker.kafka.message import Message

PLACE = ("alerts", 0)


def batch(first: int, count: int, size: int = 10, partition: int = 0) -> Batch:
    return Batch.of([Message("alerts", partition, first + i, 0, value=bytes(size)) for i in range(count)])


def test_the_first_batches_of_a_partition_are_in_doubt_as_far_as_a_former_owner_can_have_come():
    doubts = Doubts(messages=5, nbytes=10_000)
    doubts.assigned(PLACE)
    assert doubts.marks(batch(0, 3)).all()
    assert doubts.marks(batch(3, 3)).all()  # the fifth is among them
    assert not doubts.marks(batch(6, 3)).any()


def test_bytes_are_over_before_messages_where_these_are_large():
    doubts = Doubts(messages=1000, nbytes=100)
    doubts.assigned(PLACE)
    assert doubts.marks(batch(0, 2, size=60)).all()
    assert not doubts.marks(batch(2, 2)).any()


def test_what_was_handed_out_is_in_doubt_when_it_is_read_again_and_what_comes_after_is_not():
    doubts = Doubts(messages=0, nbytes=0)
    assert not doubts.marks(batch(0, 4)).any()
    doubts.read_again()
    assert doubts.marks(batch(2, 4)).tolist() == [True, True, False, False]


def test_each_partition_has_doubts_of_its_own_and_one_given_up_has_none():
    doubts = Doubts(messages=5, nbytes=10_000)
    doubts.assigned(PLACE)
    assert not doubts.marks(batch(0, 2, partition=1)).any()
    doubts.forget(PLACE)
    assert not doubts.marks(batch(0, 2)).any()
    doubts.read_again()
    doubts.forget(PLACE)
    assert np.flatnonzero(doubts.marks(batch(0, 2))).tolist() == []
