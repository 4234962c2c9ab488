"""What happens to a Redis, and that the store says it: full, evicting, emptied, restarted, cut off, without rights."""

import threading
import time
from pathlib import Path

import pytest
import redis

from broker.embedded import EmbeddedValkey
from broker.errors import StoreLostError, TransientError
from broker.lightcurves.loss import begin, mended
from tests.support.proxy import Proxy
from tests.support.servers import running
from tests.support.stores import store_at

CONF = Path(__file__).parents[2] / "deploy" / "valkey.conf"
KEYS = [b"test/%d" % i for i in range(200)]
ENTRIES = [(key, [bytes(41)]) for key in KEYS]
NO = [False] * len(KEYS)


@pytest.fixture
def valkey():
    with running(EmbeddedValkey(persistent=True)) as valkey:  # of our own: it is maltreated
        yield valkey


@pytest.fixture
def client(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def store(valkey):
    store = store_at(valkey.url, timeout_s=2.0)
    store.identities.begin()
    yield store
    store.close()


def test_a_full_store_is_transient_and_goes_on_when_it_has_room(store, client):
    store.append(ENTRIES, NO)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1mb")
    for call in (lambda: store.append(ENTRIES, NO), lambda: store.save([(KEYS[0], b"state")])):
        with pytest.raises(TransientError, match=r"memory is full; .* \(OOM\)$"):
            call()
    assert store.states(KEYS) == [None] * len(KEYS)
    assert len(store.read(KEYS[:1], 9)[0]) == 1
    assert store.compact(KEYS[0], 1, [bytes(40)]), "what makes room is done all the same"
    assert store.read(KEYS[:1], 9) == [[bytes(40)]]
    client.config_set("maxmemory", 0)
    assert set(store.append(ENTRIES, NO)) == {2}


def test_a_store_that_evicts_is_told_at_the_start_and_counted_afterwards(store, client):
    client.config_set("maxmemory-policy", "allkeys-lru")
    before = store.facts()
    assert before.problems()["eviction"].startswith(
        "Redis' maxmemory-policy is allkeys-lru: when memory is short it deletes"
    )
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
    for i in range(40):
        store.save([(b"test/%d" % j, bytes(2048)) for j in range(i * 20, i * 20 + 20)])
    lost = store.facts().loss_since(before.evictions)
    assert lost is not None
    assert lost.startswith("Redis evicted ")
    assert before.loss_since(before.evictions) is None


def test_the_facts_of_a_well_kept_store_are_no_problem(store, client):
    facts = store.facts()
    assert facts.problems() == {}
    assert facts.version.startswith("Valkey ")
    client.config_set("appendonly", "no")
    assert "a restart loses every light curve" in store.facts().problems()["persistence"]
    client.config_set("save", "60 1")
    assert "a restart loses what came after the last" in store.facts().problems()["persistence"]


def test_an_emptied_store_is_lost_at_the_next_call_and_stays_so_until_it_is_adopted(store, client):
    store.append(ENTRIES, NO)
    client.flushall()
    for call in (lambda: store.states(KEYS), lambda: store.append(ENTRIES[:1], NO[:1])):
        with pytest.raises(StoreLostError, match="has lost its light curves: it was emptied, or restarted"):
            call()
    store.identities.adopt({})
    assert store.states(KEYS) == [None] * len(KEYS)


def test_another_database_is_another_store(store, valkey):
    other = store_at(valkey.url.replace("/0", "/1"))
    other.identities.begin()
    assert other.identity != store.identity
    other.identities.known = store.identity
    with pytest.raises(StoreLostError, match="another store than before"):
        other.states(KEYS)


def test_a_restart_with_data_is_no_loss_and_costs_no_call(store, valkey):
    store.append(ENTRIES, NO)
    valkey.restart()
    assert store.states(KEYS) == [None] * len(KEYS)
    assert set(store.append(ENTRIES, NO)) == {2}


def test_a_restart_without_data_is_a_loss():
    with running(EmbeddedValkey()) as forgetful:
        store = store_at(forgetful.url)
        store.identities.begin()
        store.append(ENTRIES, NO)
        forgetful.restart()
        with pytest.raises(StoreLostError):
            store.states(KEYS)


def test_a_connection_that_was_closed_between_two_calls_costs_nothing(store, client):
    store.append(ENTRIES, NO)
    client.client_kill_filter(_type="normal", skipme=True)
    time.sleep(0.05)
    assert set(store.append(ENTRIES, NO)) == {2}


def test_a_server_that_stops_answering_is_transient_after_the_timeout(store, valkey):
    valkey.pause()
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"no answer in time$"):
        store.append(ENTRIES, NO)
    assert 1.5 < time.monotonic() - began < 20
    valkey.resume()
    assert set(store.append(ENTRIES, NO)) <= {1, 2}, "what was sent may have been done, once"


@pytest.mark.parametrize("answered_bytes", [0, 7, 400, 801])
def test_a_connection_that_breaks_in_mid_pipeline_repeats_nothing(valkey, client, answered_bytes):
    with Proxy(valkey.port, answered_bytes=answered_bytes) as port:
        store = store_at(f"redis://127.0.0.1:{port}", timeout_s=2.0)
        with pytest.raises(TransientError, match=r"it closed the connection$"):
            store.append(ENTRIES, NO)
        lengths = {client.llen(f"misweeper:{{{key.decode()}}}:log") for key in KEYS}
        assert lengths == {1}, "all had arrived: each is there once"
        assert store.states(KEYS) == [None] * len(KEYS), "and no late answer is taken for that of the next call"
        store.close()


def test_a_light_curve_that_expires_while_the_commands_of_a_call_come_one_by_one_is_not_cut_short(valkey, client):
    keys = [b"test/%02d" % i for i in range(40)]
    logs = [b"misweeper:{%b}:log" % key for key in keys]
    call = len(store_at(valkey.url)._push(keys[0], [b"next"]))
    with Proxy(valkey.port, piece_bytes=call // 2, pause_s=0.002) as port:
        store = store_at(f"redis://127.0.0.1:{port}")
        for _ in range(10):
            client.delete(*logs)
            for log in logs:
                client.rpush(log, b"first")
            for i, log in enumerate(logs):  # about when its own command comes
                client.pexpire(log, 20 + 12 * i)
            lengths = store.append([(key, [b"next"]) for key in keys], [True] * len(keys))
            assert [client.llen(log) for log in logs] == lengths
        store.close()


def test_killed_in_mid_pipeline_by_the_server_nothing_is_doubled(store, client):
    done = threading.Event()

    def kill():
        while not done.is_set():
            client.client_kill_filter(_type="normal", skipme=True)

    killer = threading.Thread(target=kill)
    killer.start()
    tries = failed = 0
    until = time.monotonic() + 20
    while (tries < 100 or not failed) and time.monotonic() < until:
        tries += 1
        try:
            store.append(ENTRIES, NO)
        except TransientError:
            failed += 1
    done.set()
    killer.join()
    assert failed
    assert all(tries - failed <= len(log) <= tries for log in store.read(KEYS, 1000))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (("on", ">other", "~*", "+@all"), "user or password is missing or wrong; look at MISWEEPER_REDIS__URL"),
        (("on", ">s3cr3t", "~*", "+@all", "-rpush"), r"this user may not do what misweeper does; .* \(NOPERM\)"),
        (("on", ">s3cr3t", "~other:*", "+@all"), r"this user may not do what misweeper does; .* \(NOPERM\)"),
    ],
)
def test_missing_rights_are_said_without_the_password_or_the_command(valkey, client, rule, said):
    client.execute_command("ACL", "SETUSER", "sweeper", *rule)
    store = store_at(f"redis://sweeper:s3cr3t@127.0.0.1:{valkey.port}")
    with pytest.raises(TransientError, match=said) as raised:
        store.append(ENTRIES, NO)
    assert "s3cr3t" not in str(raised.value)
    assert "test/" not in str(raised.value)


def test_the_rights_that_the_documented_user_has_are_all_it_takes(valkey, client):
    (line,) = (text for text in CONF.read_text().splitlines() if text.startswith("# user misweeper "))
    client.execute_command("ACL", "SETUSER", *line.split()[2:])
    store = store_at(f"redis://misweeper:password@127.0.0.1:{valkey.port}")
    begin(store.identities, group_has_read=False)
    assert set(store.append(ENTRIES, [True] * len(KEYS))) == {1}
    assert set(store.append([(KEYS[0], [])], [True])) == {1}
    store.save([(KEYS[0], b"state")])
    assert store.states(KEYS[:1]) == [b"state"]
    assert store.read(KEYS[:1], 1, forget=True) == [[bytes(41)]]
    assert store.compact(KEYS[0], 1, [bytes(41)])
    assert store.facts().problems() == {}
    store.ping()
    store.identities.disown()
    assert mended(store.identities, "worker", lambda read_to, alive: alive() or read_to)
    store.close()


def test_without_a_password_where_one_is_wanted(store, client, valkey):
    client.config_set("requirepass", "s3cr3t")
    with pytest.raises(TransientError, match="user or password is missing or wrong; look at"):
        store_at(valkey.url).ping()
    store_at(f"redis://:s3cr3t@127.0.0.1:{valkey.port}").ping()
