"""A Redis that evicts, or restarts without its data, is seen though no batch shows it; said, and mended."""

import threading
from itertools import islice

import pytest
import redis

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.embedded import EmbeddedValkey
from broker.errors import StoreLostError
from broker.lightcurves.facts import PERSISTENCE
from broker.lightcurves.lookout import LOOK_S, Lookout
from broker.lightcurves.loss import begin, mended
from broker.packets.framings import encode
from tests.integration.test_rebuild import answered_as_by_batch_prediction
from tests.support.servers import running
from tests.support.service import Service, eventually
from tests.support.stores import store_at

ALERTS = 3000
FILLER = bytes(10_000)


@pytest.fixture
def valkey():
    with running(EmbeddedValkey(persistent=True)) as valkey:  # of our own: it is maltreated
        yield valkey


@pytest.fixture
def client(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        yield client


class Watched:
    """A worker's store and its lookout, on a clock that always says it is time."""

    def __init__(self, url):
        self.store, self.said, self.now_s = store_at(url), {}, 0.0
        self.lookout = Lookout(self.store, lambda problems, _: self.said.update(problems), lambda: self.now_s)

    def look(self):
        self.now_s += LOOK_S
        self.lookout.look()

    def mend(self, name="worker"):
        return mended(self.store.identities, name, lambda read_to, alive: read_to)


@pytest.fixture
def workers(valkey):
    workers = [Watched(valkey.url) for _ in range(2)]
    for worker in workers:
        begin(worker.store.identities, group_has_read=False)
    yield workers
    for worker in workers:
        worker.store.close()


def fill(client, enough=None):
    """Another program writes into a Redis that has no room, until something is deleted for it, and that is enough."""
    before = client.info("stats")["evicted_keys"]
    policy = "allkeys-lru" if enough else "volatile-lru"  # its own keys go: never the store's identity
    enough = enough or (lambda: client.info("stats")["evicted_keys"] > before)
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 20 * len(FILLER))
    number = 0
    while not enough():
        client.set(f"other-{number}", FILLER, ex=3600)
        number += 1
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "allkeys-lru")


def test_an_eviction_that_another_worker_has_made_good_is_still_a_loss_for_who_was_at_work(workers, client):
    late, first = workers
    late.lookout.glance()
    fill(client)
    with pytest.raises(StoreLostError):
        first.look()
    assert first.mend()
    with pytest.raises(StoreLostError, match="was rebuilt after an eviction"):
        late.lookout.glance()
    assert late.mend("late")
    late.lookout.glance()


def test_evicted_keys_are_a_loss_for_every_worker_and_are_mended_once(workers, client):
    first, second = workers
    first.look()
    assert first.said == {}
    fill(client)
    with pytest.raises(StoreLostError, match=r"Redis evicted .* keys, light curves may be among them"):
        first.look()
    assert "maxmemory-policy is allkeys-lru" in first.said["eviction"]
    with pytest.raises(StoreLostError):
        second.store.states([b"a"])
    assert first.mend()
    first.look()
    second.look()
    first.store.states([b"a"])  # whoever looks late does not make a loss of what is mended
    with pytest.raises(StoreLostError):
        second.store.states([b"a"])
    assert second.mend("second")
    assert second.store.identity == first.store.identity


def test_two_that_see_it_at_once_do_not_take_away_what_has_been_mended(workers, client):
    first, second = workers
    fill(client)
    with pytest.raises(StoreLostError):
        first.look()
    assert first.mend()
    second.store.identities.disown()  # it saw the eviction before the first had noted that it is mended
    first.store.states([b"a"])


def test_what_is_evicted_while_no_worker_runs_or_while_one_rebuilds_is_a_loss_too(workers, client, valkey):
    fill(client)
    late = Watched(valkey.url)
    begin(late.store.identities, group_has_read=True)
    with pytest.raises(StoreLostError):
        late.look()
    assert mended(late.store.identities, "late", lambda read_to, alive: fill(client) or read_to)
    with pytest.raises(StoreLostError):
        late.look()
    late.store.close()


def test_where_nothing_was_noted_it_is_noted_and_every_eviction_counts(workers, client):
    first, _ = workers
    client.delete("misweeper:{0}:evicted")
    first.look()
    assert list(first.store.identities.marked().values()) == [0]
    client.set("misweeper:{0}:evicted", "no JSON")
    fill(client)
    with pytest.raises(StoreLostError):
        first.look()


def test_a_glance_sees_an_eviction_at_once_and_is_no_look_where_there_was_none(workers, client):
    first, _ = workers
    first.lookout.look()
    first.said.clear()
    client.config_set("maxmemory-policy", "allkeys-lfu")
    first.lookout.glance()
    assert first.said == {}, "it was no look"
    fill(client)
    with pytest.raises(StoreLostError):
        first.lookout.glance()
    assert first.mend()
    first.lookout.glance()


def test_a_restart_is_a_loss_only_without_an_append_only_file(workers, client, valkey):
    first, _ = workers
    valkey.restart()
    first.look()
    assert first.said == {}
    first.look()
    client.config_set("save", "3600 1")
    client.config_set("appendonly", "no")
    client.save()
    first.look()
    assert "a restart loses what came after the last" in first.said[PERSISTENCE]
    first.store.identities.mark({"the start before": 0})  # as after a restart from the snapshot
    with pytest.raises(StoreLostError, match="restarted and has no append-only file"):
        first.look()


def test_a_server_that_may_not_be_asked_is_a_warning(workers, client, valkey):
    client.execute_command("ACL", "SETUSER", "sweeper", "on", ">s3cr3t", "~*", "+@all", "-info")
    asking = Watched(f"redis://sweeper:s3cr3t@127.0.0.1:{valkey.port}")
    begin(asking.store.identities, group_has_read=True)
    asking.look()
    assert "whether Redis evicts light curves is not known" in asking.said["rights"]
    assert "s3cr3t" not in asking.said["rights"]
    asking.store.close()


@pytest.mark.timeout(300)
def test_a_store_that_evicts_under_load_is_said_and_rebuilt_and_no_answer_is_wrong(
    kafka, valkey, client, topic_prefix, tmp_path, monkeypatch
):
    service = Service(kafka, valkey.url, topic_prefix, tmp_path)
    service.create_topics(monkeypatch, partitions=3)
    client.config_set("maxmemory-policy", "allkeys-lru")
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    early, middle, late = (records[i : i + ALERTS // 3] for i in range(0, ALERTS, ALERTS // 3))

    def send(some):
        service.send((r["objectId"], encode(r, "observation")) for r in some)

    try:
        eventually(lambda: "maxmemory-policy is allkeys-lru" in worker.ask("/readyz")[1])
        assert worker.ask("/readyz")[0] == 200
        assert 'misweeper_store_problems{problem="eviction"} 1.0' in worker.ask("/metrics")[1]
        send(early)
        service.collect(len(early))
        logs = client.keys("*:log")
        sender = threading.Thread(target=send, args=(middle,))
        sender.start()
        fill(client, lambda: client.exists(*logs) < len(logs))
        sender.join()
        eventually(lambda: "Redis evicted" in worker.log())
        eventually(lambda: "the store has its light curves again" in worker.log())
        service.collect(len(early) + len(middle))
        worker.await_ready()
        assert "misweeper_store_losses_total 0.0" not in worker.ask("/metrics")[1]
        send(late)
        found = service.collect(ALERTS)
    finally:
        service.close()
    assert len(found["classifications"]) == len({p.source for p in found["classifications"]}) == ALERTS
    answered_as_by_batch_prediction(found["classifications"], records)  # those while it was evicting too
