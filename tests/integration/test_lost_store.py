"""A store is lost: of the workers that see it one rebuilds, the others join, and whatever fails is done again."""

import threading
import time

import pytest
import redis

from broker.errors import StoreLostError
from broker.lightcurves.identity import CLAIM_S
from broker.lightcurves.loss import Takeover, begin, joined, mended, told_well
from tests.support.stores import store_at

PLACE = ("alerts", 0)


class Worker:
    """One process of the service, and what it appended in rebuilds."""

    def __init__(self, url, prefix, name):
        self.store, self.name = store_at(url, prefix), name
        self.refills = []
        self.during = lambda: None

    def refill(self, read_to, alive, places=None):
        self.refills.append({place: read_to.get(place, 0) for place in places} if places else dict(read_to))
        unwatched = self.store.unwatched()
        for _ in range(3):
            unwatched.append([(b"a", [b"entry"])], [True])
            self.during()
            alive()
        return {PLACE: 7}

    def mended(self):
        return mended(self.store.identities, self.name, self.refill)


@pytest.fixture
def workers(redis_url, key_prefix):
    workers = [Worker(redis_url, key_prefix, f"worker-{i}") for i in range(3)]
    for worker in workers:
        begin(worker.store.identities, group_has_read=False)
    yield workers
    for worker in workers:
        worker.store.close()


@pytest.fixture
def empty(redis_url, key_prefix):
    def empty():
        with redis.Redis.from_url(redis_url) as client:
            client.delete(*client.keys(f"{key_prefix}*"))

    return empty


def test_workers_that_begin_at_once_agree(redis_url, key_prefix):
    workers = [Worker(redis_url, key_prefix, f"worker-{i}") for i in range(8)]
    threads = [threading.Thread(target=lambda w=w: begin(w.store.identities, group_has_read=False)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({worker.store.identity for worker in workers}) == 1
    assert len(workers[0].store.identity) == 8
    for worker in workers:
        worker.store.close()


def test_of_workers_that_see_a_loss_at_once_one_rebuilds_and_the_others_append_what_came_after(workers, empty):
    before = workers[0].store.identity
    empty()
    for worker in workers:
        with pytest.raises(StoreLostError):
            worker.store.states([b"a"])
        worker.during = lambda: time.sleep(0.05)

    def until_mended(worker):
        while not worker.mended():
            time.sleep(0.01)

    threads = [threading.Thread(target=until_mended, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((worker.refills for worker in workers), key=str) == [[{PLACE: 7}], [{PLACE: 7}], [{}]]
    assert len({worker.store.identity for worker in workers}) == 1
    assert workers[0].store.identity != before
    assert workers[0].store.states([b"a"]) == [None]


def test_while_one_rebuilds_the_others_wait_and_one_that_dies_is_followed(workers, empty, redis_url, key_prefix):
    first, second, _ = workers
    empty()

    def waits_then_dies():
        assert not second.mended()
        raise KeyboardInterrupt

    first.during = waits_then_dies
    with pytest.raises(KeyboardInterrupt):
        first.mended()
    assert not second.mended(), "the claim is still held"
    with redis.Redis.from_url(redis_url) as client:
        (claim,) = client.keys(f"{key_prefix}*:rebuilds")
        assert 0 < client.ttl(claim) <= CLAIM_S
        client.delete(claim)  # as its expiry would
    assert second.mended()
    first.during = lambda: None
    assert first.mended(), "started again, it joins"
    assert first.store.identity == second.store.identity


def test_the_one_that_died_goes_on_at_once_under_its_old_name(workers, empty):
    empty()
    first, *_ = workers
    assert first.store.identities.claim(first.name)
    assert first.mended()


def test_a_store_that_is_emptied_while_it_is_rebuilt_is_rebuilt_again(workers, empty):
    empty()
    first, second, _ = workers
    first.during = empty
    with pytest.raises(StoreLostError, match="emptied again while it was being rebuilt"):
        first.mended()
    assert second.mended()
    first.during = lambda: None
    assert first.mended()
    assert second.refills[0] == {}


def test_a_second_loss_is_mended_like_the_first_and_a_worker_that_slept_through_both_joins(workers, empty):
    first, _, sleeper = workers
    for _ in range(2):
        with pytest.raises(StoreLostError):
            empty() or first.store.states([b"a"])
        assert first.mended()
    with pytest.raises(StoreLostError):
        sleeper.store.states([b"a"])
    assert sleeper.mended(), "its own identity is forgotten with the store, so it rebuilds once more"
    assert first.store.identities.found() == sleeper.store.identity
    with pytest.raises(StoreLostError):
        first.store.states([b"a"])
    assert first.mended()
    assert first.refills[-1] == {PLACE: 7}, "it joins, and does not rebuild once more, and so on for ever"
    assert first.store.identity == sleeper.store.identity


def test_an_empty_store_is_a_loss_if_the_group_has_read_before_and_else_a_beginning(redis_url, key_prefix):
    worker = Worker(redis_url, key_prefix, "worker")
    with pytest.raises(StoreLostError, match="no identity, but the group has read alerts before"):
        begin(worker.store.identities, group_has_read=True)
    assert worker.mended()
    assert worker.refills == [{}]
    begin(worker.store.identities, group_has_read=True)
    worker.store.close()


def test_a_worker_that_starts_while_another_rebuilds_joins_it(workers, empty, redis_url, key_prefix):
    first, *_ = workers
    empty()
    starting = Worker(redis_url, key_prefix, "starting")
    with pytest.raises(StoreLostError):
        begin(starting.store.identities, group_has_read=True)
    assert first.mended()
    assert starting.mended()
    assert starting.refills == [{PLACE: 7}]
    assert starting.store.identity == first.store.identity
    starting.store.close()


def test_a_store_that_a_newcomer_rebuilds_is_not_rebuilt_again_by_those_who_knew_the_old_one(
    workers, empty, redis_url, key_prefix
):
    empty()
    newcomer = Worker(redis_url, key_prefix, "newcomer")
    with pytest.raises(StoreLostError):
        begin(newcomer.store.identities, group_has_read=True)
    waited = []
    newcomer.during = lambda: waited.extend(worker.mended() for worker in workers)
    assert newcomer.mended()
    assert waited == [False] * 9
    assert all(worker.mended() for worker in workers)
    assert [worker.refills for worker in workers] == [[{PLACE: 7}]] * 3, "each appends what came after, and no more"
    assert {worker.store.identities.known for worker in workers} == {newcomer.store.identities.known}
    newcomer.store.close()


def test_workers_that_wait_for_the_operator_join_when_he_has_rebuilt_it(workers, empty, redis_url, key_prefix):
    waiting, *_ = workers
    empty()
    assert not joined(waiting.store.identities, waiting.refill)
    operator = store_at(redis_url, key_prefix)
    told_well(operator.identities, {PLACE: 5})
    assert joined(waiting.store.identities, waiting.refill)
    assert waiting.refills == [{PLACE: 5}]
    known = operator.identity
    told_well(operator.identities, {PLACE: 6})
    assert operator.identities.found() == known, "a store that is well is left alone"
    operator.close()


def test_a_loss_that_one_worker_saw_is_a_loss_for_all(workers):
    first, second, _ = workers
    first.store.identities.disown()
    with pytest.raises(StoreLostError):
        second.store.states([b"a"])
    assert second.mended()
    assert first.mended()


def test_a_partition_is_taken_over_once_after_each_rebuild_whoever_has_it_next(workers, empty, redis_url, key_prefix):
    first, second, _ = workers
    held, other = {PLACE}, {("alerts", 1)}
    Takeover(first.store.identities, first.refill).take(held)
    assert first.refills == [], "the store was never rebuilt"
    empty()
    assert all(worker.mended() for worker in workers)
    for worker in workers:
        worker.refills.clear()
    takeovers = [Takeover(worker.store.identities, worker.refill) for worker in workers]
    takeovers[0].take(held)
    takeovers[0].take(held)
    takeovers[1].take(held)
    takeovers[1].take(held | other)
    takeovers[2].take(other)
    assert [worker.refills for worker in workers] == [[{PLACE: 7}], [{("alerts", 1): 0}], []]
    empty()
    assert second.mended()
    second.refills.clear()
    takeovers[1].take(held)
    assert second.refills == [{PLACE: 7}], "of the store as it is now, nobody knows yet"
