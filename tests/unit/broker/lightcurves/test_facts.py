"""What a Redis says of itself, and what is a problem in it."""

import pytest

from broker.lightcurves.facts import Facts, facts_of

WELL = {
    "redis_version": "7.2.4",
    "used_memory": "100",
    "maxmemory": "1000",
    "maxmemory_policy": "noeviction",
    "evicted_keys": "0",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
}


def facts(*changes: dict[str, str], snapshots: bool | None = False) -> Facts:
    texts = ["\r\n".join(["# Server", *(f"{k}:{v}" for k, v in {**WELL, **one}.items())]) for one in changes or ({},)]
    return facts_of([text.encode() for text in texts], snapshots)


def test_a_well_kept_server_has_no_problems():
    assert facts() == Facts("Redis 7.2.4", 100, 1000, "noeviction", 0, True, False, True)
    assert facts().problems() == {}


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "volatile-random"])
def test_every_policy_that_deletes_is_a_problem(policy):
    assert (
        f"maxmemory-policy is {policy}: when memory is short it deletes light curves"
        in facts({"maxmemory_policy": policy}).problems()["eviction"]
    )


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        (False, "has no append-only file and no snapshots: a restart loses every light curve"),
        (None, "has no append-only file: a restart loses every light curve, or what came after the last snapshot"),
        (True, "has snapshots and no append-only file: a restart loses what came after the last"),
    ],
)
def test_without_an_append_only_file_it_is_said_what_a_restart_loses(snapshots, said):
    text = facts({"aof_enabled": "0"}, snapshots=snapshots).problems()["persistence"]
    assert said in text
    assert text.endswith("set appendonly to yes")


@pytest.mark.parametrize("field", ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"])
def test_a_disk_that_cannot_be_written_is_a_problem(field):
    assert "could not write" in facts({field: "err"}).problems()["disk"]


def test_replicas_that_are_not_waited_for_are_a_problem():
    replicated = facts({"connected_slaves": "2"}, {"connected_slaves": "1"})
    assert replicated.replicas == 1
    assert "set MISWEEPER_REDIS__REPLICAS to 1" in replicated.problems()["failover"]
    assert replicated._replace(waited_for=1).problems() == {}
    assert facts({"connected_slaves": "0"}).problems() == {}


def test_the_nodes_of_a_cluster_are_one_store_as_weak_as_the_weakest():
    both = facts(
        {"valkey_version": "9.1"}, {"maxmemory_policy": "volatile-lru", "evicted_keys": "3", "aof_enabled": "0"}
    )
    assert both == Facts("Redis 7.2.4 Valkey 9.1", 200, 2000, "volatile-lru", 3, False, False, True)


def test_keys_evicted_since_are_a_loss_by_each_start_of_each_server():
    late = facts({"run_id": "a", "evicted_keys": "12"}, {"run_id": "b", "evicted_keys": "3"})
    assert "evicted 7 keys" in (late.loss_since({"a": 5, "b": 3}) or "")
    assert late.loss_since(late.evictions) is None
    assert late.loss_since({"a": 20, "b": 20}) is None
    assert "evicted 15 keys" in (late.loss_since({}) or ""), "nothing was noted"
    assert "evicted 3 keys" in (late.loss_since({"a": 12}) or ""), "it began anew, and so does its count"


def test_an_answer_without_the_fields_is_read_as_far_as_it_goes():
    assert facts_of([b"# Server\r\nnonsense\r\n\xff:\xff\r\n"], None).version == "Redis of unknown version"


def test_a_restart_without_an_append_only_file_is_a_loss_of_what_came_after_the_last_snapshot():
    after = facts({"run_id": "b", "aof_enabled": "0"})
    assert "restarted" in (after.loss_since({"a": 0}) or "")
    assert after.loss_since({"b": 0}) is None
    assert after.loss_since({}) is None, "nothing was noted"
    assert facts({"run_id": "a", "aof_enabled": "0"}, {"run_id": "b"}).loss_since({"a": 0}) is None, "one came to them"
    assert facts({"run_id": "b"}).loss_since({"a": 0}) is None, "the append-only file has all"
