"""The store on a real server: what it costs, and that it behaves as the one in memory does."""

from collections.abc import Iterator

import pytest
import redis

from broker.errors import TransientError
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.redis_store import RedisLightCurves
from broker.lightcurves.store import Arrival, InMemoryLightCurves, entry
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.observation import Alert, Observation
from tests.support.curves import curve


@pytest.fixture
def client(redis_url) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(client, key_prefix):
    return RedisLightCurves(client, prefix=key_prefix)


def arrivals(n: int) -> list[Arrival]:
    rows = [Observation(*row) for row in curve(n).tolist()]
    return [Arrival(Message("alerts", 0, i, 0), Alert(i + 1, "615", "test", row)) for i, row in enumerate(rows)]


def test_it_answers_as_the_store_in_memory_does(store):
    memory = InMemoryLightCurves()
    made = [entry(a, a.alert.observation) for a in arrivals(5)]
    for both in (store, memory):
        both.append({"a": made[:2], "b": made[:1]})
        both.save({"a": b"state"})
    for new in ({"a": made[2:4], "b": made[4:]}, {"c": made[:1]}):
        assert store.append(new) == memory.append(new)
    assert store.read(["a", "b", "c", "d"]) == memory.read(["a", "b", "c", "d"])


def test_an_observation_takes_at_most_64_bytes(store, client, key_prefix):
    for n in (50, 181, 352, 1000):
        name = f"object-{n}"
        for a in arrivals(n):
            store.append({name: [entry(a, a.alert.observation)]})
        used = client.memory_usage(f"{key_prefix}{{{name}}}:log", samples=0)
        assert used / n <= 64, f"{n} observations: {used / n:.1f} bytes each"


def test_everything_expires(store, client, key_prefix):
    store.append({"615": [entry(a, a.alert.observation) for a in arrivals(1)]})
    store.save({"615": b"state"})
    assert all(client.ttl(key) > 0 for key in client.keys(f"{key_prefix}*"))


def test_the_keys_of_an_object_share_a_cluster_slot(store, client, key_prefix):
    store.append({"test/6{1}5": [b"x" * 41]})
    store.save({"test/6{1}5": b"state"})
    keys = client.keys(f"{key_prefix}*")
    assert len(keys) == 2
    assert len({redis.crc.key_slot(key) for key in keys}) == 1


def test_in_the_steady_state_an_alert_costs_bytes_that_do_not_grow_with_its_light_curve(store, client):
    classifier = Classifier(load(DEFAULT), device="cpu", threads=1)
    memory = Memory(store, classifier.digest)

    def traffic() -> int:
        info = client.info("stats")
        return info["total_net_input_bytes"] + info["total_net_output_bytes"]

    base = traffic()
    overhead = traffic() - base  # of asking
    costs = []
    for arrival in arrivals(300):
        before = traffic()
        shares = memory.remember([arrival])
        memory.save(shares, [classifier.classify(share.runs) for share in shares])
        costs.append(traffic() - before - overhead)
        assert shares[0].stepped
    assert abs(costs[299] - costs[20]) < 64, "no byte for each earlier observation"
    assert max(costs) < 10_000


def test_a_server_that_is_away_is_transient():
    away = RedisLightCurves(redis.Redis(port=1, retry=None))
    with pytest.raises(TransientError, match="redis"):
        away.ping()
