"""The store on a real cluster of three Valkeys: the same answers, whatever moves; and a plain server is no cluster."""

import pytest
from pydantic import SecretStr

from broker.config import Redis, Settings
from broker.connections import connect_redis
from broker.errors import StartupError, StoreLostError, TransientError
from broker.lightcurves.routing import slot
from broker.lightcurves.store import InMemoryLightCurves, Refused
from tests.support.cluster import await_agreement, cluster, move_slot, owner
from tests.support.stores import store_at

KEYS = [b"test/%d" % i for i in range(300)]


@pytest.fixture(scope="module")
def nodes():
    with cluster() as nodes:
        yield nodes


@pytest.fixture
def store(nodes, key_prefix):
    for node in nodes:
        node.client.flushall()
    store = store_at(nodes[0].url, key_prefix, cluster=True)
    store.identities.begin()
    yield store
    store.close()


def test_it_answers_as_the_store_in_memory_does(store, nodes):
    memory = InMemoryLightCurves()
    entries = [(key, [b"%d" % i]) for i, key in enumerate(KEYS)]
    states = [(key, b"state of " + key) for key in KEYS]
    mixed = [i % 2 == 0 for i in range(len(KEYS))]
    for call in (
        lambda one: one.states(KEYS),
        lambda one: one.append(entries, mixed),
        lambda one: one.save(states),
        lambda one: one.states(KEYS),
        lambda one: one.append(entries, mixed),
        lambda one: one.read(KEYS, 1),
        lambda one: one.read(KEYS, 10, forget=True),
        lambda one: one.states(KEYS),
        lambda one: [one.compact(key, 2, [b"x"]) for key in KEYS[:10]],
        lambda one: one.read(KEYS, 10),
        lambda one: one.forget(KEYS),
        lambda one: one.ping(),
    ):
        assert call(store) == call(memory)
    assert all(node.client.dbsize() > len(KEYS) // 10 for node in nodes), "each has its part"


def test_a_key_of_the_wrong_type_is_refused_alone(store, nodes, key_prefix):
    node = owner(nodes, slot(KEYS[7]))
    node.client.hset(f"{key_prefix}{{test/7}}:log", "field", "text")
    lengths = store.append([(key, [b"x"]) for key in KEYS], [True] * len(KEYS))
    assert isinstance(lengths.pop(7), Refused)
    assert set(lengths) == {1}


def test_a_slot_that_moves_is_followed_and_nothing_is_appended_twice(store, nodes):
    key = KEYS[0]
    source = owner(nodes, slot(key))
    target = next(n for n in nodes if n is not source)
    entries = [(one, [b"x"]) for one in KEYS]
    no = [False] * len(KEYS)
    assert set(store.append(entries, no)) == {1}
    move_slot(slot(key), source, target, finish=False)
    assert set(store.append(entries, no)) == {2}, "ASK: its keys are at the target, its slot is not"
    assert store.read(KEYS, 9) == [[b"x", b"x"]] * len(KEYS)
    move_slot(slot(key), source, target)
    assert set(store.append(entries, [True] * len(KEYS))) == {3}, "MOVED"
    assert set(store.append(entries, no)) == {4}
    assert store.read(KEYS, 9) == [[b"x"] * 4] * len(KEYS)
    move_slot(slot(key), target, source)
    await_agreement(nodes)


def test_one_node_that_lost_its_data_is_a_loss_of_the_store(store, nodes):
    store.append([(key, [b"x"]) for key in KEYS], [True] * len(KEYS))
    nodes[1].client.flushall()
    with pytest.raises(StoreLostError, match="emptied, or restarted without its data"):
        store.states(KEYS)
    assert store.identities.found() is None
    store.identities.adopt({})
    assert store.states(KEYS) == [None] * len(KEYS)
    assert store_at(nodes[2].url, store._prefix.decode(), cluster=True).identities.join()


def test_a_node_that_is_away_is_transient_and_when_it_is_back_all_goes_on(store, nodes):
    store.append([(key, [b"x"]) for key in KEYS], [True] * len(KEYS))
    nodes[2].pause()
    slow = store_at(nodes[0].url, store._prefix.decode(), cluster=True, timeout_s=0.5)
    slow.identities.known = store.identity
    for _ in range(2):
        with pytest.raises(TransientError, match="redis: "):
            slow.states(KEYS)
    nodes[2].resume()
    await_agreement(nodes)
    assert slow.states(KEYS) == [None] * len(KEYS)
    assert set(slow.append([(key, [b"x"]) for key in KEYS], [False] * len(KEYS))) == {2}


def test_the_facts_are_those_of_all_nodes(store, nodes):
    facts = store.facts()
    alone = sum(node.client.info("memory")["used_memory"] for node in nodes)
    assert abs(facts.used_memory_bytes / alone - 1) < 0.2
    assert facts.eviction_policy == "noeviction"
    nodes[1].client.config_set("maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in store.facts().problems()["eviction"]
    nodes[1].client.config_set("maxmemory-policy", "noeviction")


def test_a_node_named_without_the_setting_says_which_setting(nodes):
    with pytest.raises(TransientError, match="set MISWEEPER_REDIS__CLUSTER=true"):
        store_at(nodes[0].url).states(KEYS)
    with pytest.raises(StartupError, match="set MISWEEPER_REDIS__CLUSTER=true"):
        connect_redis(Settings(redis=Redis(url=SecretStr(nodes[0].url))))
    connect_redis(Settings(redis=Redis(url=SecretStr(nodes[0].url), cluster=True))).close()


def test_a_plain_server_is_no_cluster_and_says_so(redis_url):
    with pytest.raises(TransientError, match="is no Redis Cluster; set MISWEEPER_REDIS__CLUSTER=false"):
        store_at(redis_url, cluster=True).ping()
    with pytest.raises(StartupError, match=r"is no Redis Cluster; set MISWEEPER_REDIS__CLUSTER=false$"):
        connect_redis(Settings(redis=Redis(url=SecretStr(redis_url), cluster=True)))
