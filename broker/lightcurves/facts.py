"""What a Redis says of itself that decides whether light curves are safe in it."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from broker.errors import TransientError
from broker.lightcurves.resp import pack
from broker.lightcurves.routing import Servers

INFO, STATS = pack(b"INFO"), pack(b"INFO", b"stats")
EVICTED = re.compile(rb"^evicted_keys:(\d+)", re.MULTILINE)
SNAPSHOTS = pack(b"CONFIG", b"GET", b"save")
KEEPS = "noeviction"
EVICTION, PERSISTENCE, DISK, RIGHTS, FAILOVER = PROBLEMS = ("eviction", "persistence", "disk", "rights", "failover")
UNSAFE = {  # without an append-only file, by whether there are snapshots
    True: "has snapshots and no append-only file: a restart loses what came after the last",
    False: "has no append-only file and no snapshots: a restart loses every light curve",
    None: "has no append-only file: a restart loses every light curve, or what came after the last snapshot",
}


class Facts(NamedTuple):
    """Of one server, or of a cluster's nodes together."""

    version: str
    used_memory_bytes: int
    max_memory_bytes: int  # 0: no limit of its own
    eviction_policy: str  # of the node with the worst
    evicted_keys: int  # since the server started
    append_only_file: bool  # on every node
    snapshots: bool | None  # on every node; None: the user may not ask
    saved: bool  # the last save of every node succeeded, or none was tried
    replicas: int = 0  # of the node with the fewest
    waited_for: int = 0  # replicas, with each write
    evictions: Mapping[str, int] = MappingProxyType({})  # evicted keys by the run id of each node: each start has one

    def problems(self) -> dict[str, str]:
        """What the operator should know, a sentence each, by one of PROBLEMS."""
        found = {}
        if self.eviction_policy != KEEPS:
            found[EVICTION] = (
                f"Redis' maxmemory-policy is {self.eviction_policy}: when memory is short it deletes light curves, and "
                f"they have to be rebuilt; set it to {KEEPS}"
            )
        if not self.append_only_file:
            found[PERSISTENCE] = f"Redis {UNSAFE[self.snapshots]}; set appendonly to yes"
        if not self.saved:
            found[DISK] = "Redis could not write its data to disk the last time; look at its log and its disk"
        if self.replicas and not self.waited_for:
            found[FAILOVER] = (
                "Redis has replicas, and answers do not wait for them: a failover may lose the latest observations and "
                "nothing tells; set MISWEEPER_REDIS__REPLICAS to 1"
            )
        return found

    def loss_since(self, marked: Mapping[str, int]) -> str | None:
        """What was lost, as a sentence, since evictions were as marked; None if nothing was."""
        evicted = sum(max(0, keys - marked.get(run, 0)) for run, keys in self.evictions.items())
        if evicted:
            return f"Redis evicted {evicted} keys, light curves may be among them; set maxmemory-policy to {KEEPS}"
        restarted = bool(self.evictions.keys() - marked.keys()) and len(self.evictions) <= len(marked)
        if restarted and not self.append_only_file:
            return "Redis was restarted and has no append-only file: what came after its last snapshot is lost"
        return None


def facts_told_by(servers: Servers) -> Facts:
    """What the servers say of themselves. Raises TransientError where they are away, or this user may not ask."""
    answers = servers.each(INFO)
    for address, answer in answers:
        if not isinstance(answer, bytes):
            raise TransientError("redis", f"{address}: this user may not ask for INFO; allow it")
    return facts_of([answer for _, answer in answers if isinstance(answer, bytes)], snapshots_of(servers))


def evicted_by(servers: Servers) -> int:
    """How many keys the servers have evicted since they started; 0 where that may not be asked."""
    answers = [answer for _, answer in servers.each(STATS)]
    return sum(int(found[1]) for one in answers if isinstance(one, bytes) and (found := EVICTED.search(one)))


def snapshots_of(servers: Servers) -> bool | None:
    """Whether every server saves snapshots; None where it may not be asked, as with many a hosted one."""
    try:
        answers = [answer for _, answer in servers.each(SNAPSHOTS)]
    except TransientError:
        return None
    saves = [bool(answer[1]) for answer in answers if isinstance(answer, list) and len(answer) == 2]
    return all(saves) if len(saves) == len(answers) else None


def facts_of(answers: Sequence[bytes], snapshots: bool | None) -> Facts:
    """The facts in the answers of INFO, one a node."""
    nodes = [parsed(answer) for answer in answers]
    policies = [node.get("maxmemory_policy", KEEPS) for node in nodes]
    return Facts(
        version=" ".join(sorted({version(node) for node in nodes})),
        used_memory_bytes=sum(int(node.get("used_memory", 0)) for node in nodes),
        max_memory_bytes=sum(int(node.get("maxmemory", 0)) for node in nodes),
        eviction_policy=next((policy for policy in policies if policy != KEEPS), KEEPS),
        evicted_keys=sum(int(node.get("evicted_keys", 0)) for node in nodes),
        append_only_file=all(node.get("aof_enabled") == "1" for node in nodes),
        snapshots=snapshots,
        saved=all(
            node.get(field, "ok") == "ok"
            for node in nodes
            for field in ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
        ),
        replicas=min(int(node.get("connected_slaves", 0)) for node in nodes),
        evictions={node["run_id"]: int(node.get("evicted_keys", 0)) for node in nodes if "run_id" in node},
    )


def parsed(info: bytes) -> dict[str, str]:
    """An answer of INFO by field."""
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def version(node: dict[str, str]) -> str:
    """Which server it is: Valkey says it beside the version of Redis that it is like."""
    if "valkey_version" in node:
        return f"Valkey {node['valkey_version']}"
    return f"Redis {node.get('redis_version', 'of unknown version')}"
