"""The store on a real server: every call, what it costs, and that one object's trouble is that object's alone."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import redis

from broker.errors import TransientError
from broker.lightcurves.entries import cut_all, entries_of
from broker.lightcurves.store import InMemoryLightCurves, Refused
from tests.support.curves import curve
from tests.support.stores import store_at


@pytest.fixture
def client(redis_url) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(redis_url, key_prefix):
    store = store_at(redis_url, key_prefix)
    store.identities.begin()
    yield store
    store.close()


def made(n: int) -> list[bytes]:
    """Entries of one light curve."""
    numbers = np.arange(n)
    made = entries_of(
        curve(n),
        alert_ids=numbers + 1,
        offsets=numbers,
        sources=np.zeros(n, np.uint32),
        history=np.zeros(n, bool),
        salts=np.zeros(n, np.uint64),
    )
    return cut_all(made)


def test_it_answers_as_the_store_in_memory_does(store):
    memory = InMemoryLightCurves()
    a, b, c, d = b"test/a", b"test/%b{}", b"test/\xc3\xa9 \r\n", b"test/none"
    new = made(5)
    for call in (
        lambda one: one.states([a, b]),
        lambda one: one.append([(a, new[:2]), (b, new[:1])], [True, False]),
        lambda one: one.save([(a, b"state\r\n"), (b, b"")]),
        lambda one: one.states([d, a, b]),
        lambda one: one.append([(a, new[2:]), (c, new[:1]), (b, [])], [False, True, False]),
        lambda one: one.prepend([(c, new[1:4]), (d, new[3:]), (a, new[4:])]),
        lambda one: one.read([a, b, c, d], 10),
        lambda one: one.compact(a, 6, new),
        lambda one: one.read([a, b, c, d], 2, forget=True),
        lambda one: one.states([a, b, c, d]),
        lambda one: one.save([(a, b"state")]),
        lambda one: one.compact(a, 4, new[:1]),
        lambda one: one.states([a]),
        lambda one: one.compact(a, 5, new[:3]),
        lambda one: one.states([a]),
        lambda one: one.read([a], 10),
        lambda one: one.compact(d, 0, []),
        lambda one: one.forget([a, d]),
        lambda one: one.states([]),
        lambda one: one.append([], []),
        lambda one: one.ping(),
    ):
        assert call(store) == call(memory)


def test_an_observation_takes_at_most_64_bytes(store, client, key_prefix):
    for n in (50, 181, 352, 1000):
        name = b"test/%d" % n
        for one in made(n):
            store.append([(name, [one])], [False])
        used = client.memory_usage(b"%b{%b}:log" % (key_prefix.encode(), name), samples=0)
        assert used / n <= 64, f"{n} observations: {used / n:.1f} bytes each"


def test_everything_but_the_identity_expires_whether_refreshed_or_not(store, client, key_prefix):
    new = made(1)
    store.append([(b"a", new), (b"b", new), (b"c", new)], [True, False, False])
    store.append([(b"b", new)], [False])
    store.save([(b"a", b"state")])
    store.compact(b"c", 1, new)
    store.prepend([(b"d", new)])
    keys = [key for key in client.keys(f"{key_prefix}*") if not key.endswith((b":identity", b":evicted"))]
    assert len(keys) == 5
    assert all(client.ttl(key) > 0 for key in keys)


def test_the_keys_of_an_object_share_a_cluster_slot(store, client, key_prefix):
    store.append([(b"test/6{1}5", [b"x" * 41])], [True])
    store.save([(b"test/6{1}5", b"state")])
    keys = [key for key in client.keys(f"{key_prefix}*") if not key.endswith((b":identity", b":evicted"))]
    assert len(keys) == 2
    assert len({redis.crc.key_slot(key) for key in keys}) == 1


def test_the_states_of_two_models_live_side_by_side(redis_url, key_prefix):
    first, second = (store_at(redis_url, key_prefix, model=name) for name in ("first", "second"))
    first.save([(b"a", b"of the first")])
    second.save([(b"a", b"of the second")])
    assert (first.states([b"a"]), second.states([b"a"])) == ([b"of the first"], [b"of the second"])


def test_in_the_steady_state_an_alert_costs_bytes_that_do_not_grow_with_its_light_curve(store, client):
    def traffic() -> int:
        info = client.info("stats")
        return info["total_net_input_bytes"] + info["total_net_output_bytes"]

    overhead = -traffic() + traffic()  # of asking
    costs = []
    for one in made(300):
        before = traffic()
        store.states([b"a"])
        store.append([(b"a", [one])], [False])
        store.save([(b"a", bytes(2048))])
        costs.append(traffic() - before - overhead)
    assert abs(costs[299] - costs[20]) < 64, "no byte for each earlier observation"
    assert max(costs[1:]) < 5_000


WRONG = {
    "string": lambda client, key: client.set(key, "text"),
    "list": lambda client, key: client.rpush(key, "text"),
    "hash": lambda client, key: client.hset(key, "field", "text"),
    "set": lambda client, key: client.sadd(key, "text"),
    "zset": lambda client, key: client.zadd(key, {"text": 1.0}),
    "stream": lambda client, key: client.xadd(key, {"field": "text"}),
}


@pytest.mark.parametrize("kind", sorted(set(WRONG) - {"list"}))
def test_a_log_of_the_wrong_type_is_refused_and_the_hundred_beside_it_are_not(store, client, key_prefix, kind):
    keys = [b"test/%d" % i for i in range(101)]
    WRONG[kind](client, f"{key_prefix}{{test/50}}:log")
    (new,) = made(1)
    for refresh in (True, False):
        lengths = store.append([(key, [new]) for key in keys], [refresh] * 101)
        assert lengths.pop(50) == Refused(
            b"test/50", "its key holds another kind of value, which is not ours (WRONGTYPE)"
        )
        assert set(lengths) == {1 if refresh else 2}
    logs = store.read(keys, 10)
    assert isinstance(logs.pop(50), Refused)
    assert logs == [[new, new]] * 100
    assert not store.compact(b"test/50", 1, [new])
    assert client.type(f"{key_prefix}{{test/50}}:log").decode() == kind, "it is not ours to delete"


@pytest.mark.parametrize("kind", sorted(set(WRONG) - {"string"}))
def test_a_state_of_the_wrong_type_is_none_and_the_next_save_mends_it(store, client, key_prefix, kind):
    keys = [b"test/%d" % i for i in range(101)]
    store.save([(key, b"state") for key in keys])
    client.delete(f"{key_prefix}{{test/50}}:state")
    WRONG[kind](client, f"{key_prefix}{{test/50}}:state")
    assert store.states(keys) == [b"state"] * 50 + [None] + [b"state"] * 50
    store.save([(keys[50], b"again")])
    assert store.states(keys[49:52]) == [b"state", b"again", b"state"]


def test_a_refreshed_light_curve_never_shrinks_in_the_moment_it_expires(redis_url, client, key_prefix):
    store = store_at(redis_url, key_prefix, curve_ttl_s=2)
    keys = [b"test/%d" % i for i in range(1000)]
    kept = begun = turns = 0
    spread_ms, until = 200, time.monotonic() + 60
    while turns < 20 or (not (kept and begun) and time.monotonic() < until):
        turns += 1
        store.append([(key, [b"first"]) for key in keys], [True] * len(keys))
        before = [len(log) for log in store.read(keys, 100)]
        with client.pipeline(transaction=False) as pipe:
            for i, key in enumerate(keys):  # their last moments are spread over those of the call
                pipe.pexpire(b"%b{%b}:log" % (key_prefix.encode(), key), 1 + i * spread_ms // len(keys))
            pipe.execute()
        lengths = store.append([(key, [b"next"]) for key in keys], [True] * len(keys))
        assert [len(log) for log in store.read(keys, 100)] == lengths, "what an append has counted stays"
        assert all(length in (1, was + 1) for length, was in zip(lengths, before, strict=True))
        kept += sum(length > 1 for length in lengths)
        begun += lengths.count(1)
        spread_ms = 2 * spread_ms if lengths.count(1) > len(keys) // 2 else max(10, spread_ms * 2 // 3)
    assert kept > 0, "some were refreshed in time"
    assert begun > 0, "and some too late, or this shows nothing"


def test_a_log_is_compacted_only_if_nobody_has_written_meanwhile(store, redis_url, key_prefix):
    other = store_at(redis_url, key_prefix)
    done = threading.Event()
    written = []

    def write():
        while not done.is_set():
            one = b"%041d" % len(written)
            other.append([(b"a", [one])], [False])
            written.append(one)

    writer = threading.Thread(target=write)
    writer.start()
    compacted = refused = 0
    until = time.monotonic() + 30
    while (compacted < 5 or refused < 5) and time.monotonic() < until:
        (log,) = store.read([b"a"], 1 << 20)
        if len(log) < 2:
            continue
        store.save([(b"a", b"state")])
        if store.compact(b"a", len(log), [b"+".join(log)]):
            compacted += 1
        else:
            refused += 1
    done.set()
    writer.join()
    other.close()
    (log,) = store.read([b"a"], 1 << 20)
    assert b"+".join(log).split(b"+") == written, "no entry is lost and none is doubled"
    assert compacted >= 5
    assert refused >= 5


def test_a_server_that_is_away_is_transient():
    for call in (lambda one: one.ping(), lambda one: one.states([b"a"]), lambda one: one.facts()):
        with pytest.raises(TransientError, match=r"^redis: 127.0.0.1:1: connection refused$"):
            call(store_at("redis://127.0.0.1:1"))
