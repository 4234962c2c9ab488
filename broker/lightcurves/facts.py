"""What a Redis says of itself that decides whether light curves are safe in it."""

from collections.abc import Sequence
from typing import NamedTuple

KEEPS = "noeviction"
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
    run_ids: frozenset[str] = frozenset()  # one for each start of each node

    def problems(self) -> list[str]:
        """What the operator should know, a sentence each."""
        found = []
        if self.eviction_policy != KEEPS:
            found.append(
                f"Redis' maxmemory-policy is {self.eviction_policy}: when memory is short it deletes light curves, and "
                f"their objects are classified from what is left; set it to {KEEPS}"
            )
        if not self.append_only_file:
            found.append(f"Redis {UNSAFE[self.snapshots]}; set appendonly to yes")
        if not self.saved:
            found.append("Redis could not write its data to disk the last time; look at its log and its disk")
        return found

    def loss_since(self, before: "Facts") -> str | None:
        """What was lost since these facts, as a sentence; None if nothing was."""
        if self.evicted_keys > before.evicted_keys:  # less: it was restarted
            evicted = self.evicted_keys - before.evicted_keys
            return f"Redis evicted {evicted} keys, light curves may be among them; set maxmemory-policy to {KEEPS}"
        if self.run_ids - before.run_ids and len(self.run_ids) <= len(before.run_ids) and not before.append_only_file:
            return "Redis was restarted and had no append-only file: what came after its last snapshot is lost"
        return None


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
        run_ids=frozenset(node["run_id"] for node in nodes if "run_id" in node),
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
