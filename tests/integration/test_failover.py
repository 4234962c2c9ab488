"""What a Valkey that takes over may lack, and what is answered all the same: nothing, where replicas are waited for."""

import pytest

from broker.errors import TransientError
from broker.lightcurves.routing import slot
from tests.support.cluster import await_replicas, owner, replicated, role, until
from tests.support.stores import store_at

MANY = [b"test/%d" % i for i in range(300)]
TIMEOUT_S = 2.0


@pytest.fixture
def nodes():
    with replicated() as nodes:
        yield nodes


@pytest.fixture
def keys(nodes):
    """Objects of the first master."""
    return [key for key in MANY if owner(nodes[:3], slot(key)) is nodes[0]]


@pytest.fixture
def store(nodes, key_prefix):
    """The store that waits for no replica, or for one."""

    def store(replicas):
        made = store_at(nodes[1].url, key_prefix, cluster=True, timeout_s=TIMEOUT_S, replicas=replicas, wait_ms=500)
        made.identities.begin()
        stores.append(made)
        return made

    stores = []
    yield store
    for one in stores:
        one.close()


def appended(store, keys, entry):
    return store.append([(key, [entry]) for key in keys], [True] * len(keys))


def looked(store, keys):
    return store.append([(key, []) for key in keys], [False] * len(keys))


def cut_off_replicas(master):
    """They are told nothing more, and may not ask; until it is started again."""
    master.client.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
    master.client.execute_command("CLIENT", "KILL", "TYPE", "replica")


def test_what_a_replica_has_not_is_lost_in_a_failover_and_only_who_waits_for_replicas_does_not_answer(
    nodes, keys, store
):
    waits, careless = store(1), store(0)
    assert set(appended(waits, keys, b"first")) == {1}
    master, replica = nodes[0], nodes[3]
    cut_off_replicas(master)
    assert set(appended(careless, keys, b"lost")) == {2}, "it was answered"
    with pytest.raises(TransientError, match=r"not 1 of its replicas have in time what was written"):
        appended(waits, keys, b"second")
    with pytest.raises(TransientError, match=r"not 1 of its replicas"):  # nor where it is written already
        looked(waits, keys)
    master.kill()
    until(lambda: role(replica)[0] == "master")
    until(lambda: careless.read(keys, 9) == [[b"first"]] * len(keys))  # and no more, and nothing tells
    assert careless.identities.found() == careless.identity
    until(lambda: waits.read(keys, 9) == [[b"first"]] * len(keys))
    with pytest.raises(TransientError, match=r"not 1 of its replicas"):
        appended(waits, keys, b"second")
    master.start()
    await_replicas(nodes)
    assert set(looked(waits, keys)) == {2}, "it is there, and a replica has it now"


def test_replicas_that_are_there_cost_no_answer(nodes, keys, store):
    waits = store(1)
    assert "failover" in store(0).facts().problems()
    assert "failover" not in waits.facts().problems()
    for number in range(1, 20):
        assert set(appended(waits, keys, b"%d" % number)) == {number}
    waits.prepend([(key, [b"0"]) for key in keys])
    nodes[0].kill()
    until(lambda: role(nodes[3])[0] == "master")
    until(lambda: waits.read(keys, 99) == [[b"%d" % number for number in range(20)]] * len(keys))
