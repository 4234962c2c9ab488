"""A Redis Cluster of embedded Valkeys."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import redis

from broker.embedded import EmbeddedValkey
from broker.embedded.ports import HOST, free_port
from broker.errors import TransientError
from tests.support.servers import running

SLOTS = 16_384
AGREE_S = 30.0


class Node(EmbeddedValkey):
    """One node; alone until `cluster` introduces it to the others."""

    bus_port = 0

    def prepare(self) -> None:
        super().prepare()
        self.bus_port = free_port()

    def command(self) -> list[str]:
        place = ["--cluster-port", str(self.bus_port), "--cluster-node-timeout", "2000"]
        return [*super().command(), "--cluster-enabled", "yes", *place]

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(HOST, self.port)

    @property
    def node_id(self) -> str:
        return str(self.client.cluster("MYID").decode())


@contextmanager
def cluster(size: int = 3, *, persistent: bool = False) -> Iterator[Sequence[Node]]:
    """Masters that share the slots evenly, once they all agree on it."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(Node(persistent=persistent))) for _ in range(size)]
        for i, node in enumerate(nodes):
            first, last = i * SLOTS // size, (i + 1) * SLOTS // size - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in nodes[1:]:
            nodes[0].client.execute_command("CLUSTER", "MEET", HOST, node.port, node.bus_port)
        await_agreement(nodes)
        yield nodes


@contextmanager
def replicated(size: int = 3) -> Iterator[Sequence[Node]]:
    """Masters with append-only files, and behind them as many replicas, which have all that these have."""
    with cluster(size, persistent=True) as masters, ExitStack() as stack:
        replicas = [stack.enter_context(running(Node(persistent=True))) for _ in range(size)]
        for replica in replicas:
            masters[0].client.execute_command("CLUSTER", "MEET", HOST, replica.port, replica.bus_port)
        nodes = [*masters, *replicas]
        until(lambda: all(known(node) == len(nodes) for node in nodes))
        for master, replica in zip(masters, replicas, strict=True):
            replica.client.execute_command("CLUSTER", "REPLICATE", master.node_id)
        await_replicas(nodes)
        yield nodes


def known(node: Node) -> int:
    """How many nodes one knows, and has heard of."""
    lines = bytes(node.client.execute_command("CLUSTER", "NODES")).splitlines()
    return sum(b"handshake" not in line and b"connected" in line.split() for line in lines)


def role(node: Node) -> tuple[str, int]:
    """Whether a node is a master or a slave, and how many replicas have all that it has, or whether it has all."""
    told = node.client.info("replication")
    if told["role"] == "slave":
        return "slave", int(told["master_link_status"] == "up")
    return "master", sum(told[f"slave{i}"]["state"] == "online" for i in range(told["connected_slaves"]))


def await_replicas(nodes: Sequence[Node]) -> None:
    """Return once every node agrees, every master has a replica, and every replica has what its master has."""

    def whole() -> bool:
        roles = [role(node) for node in nodes]
        return sum(kind == "master" for kind, _ in roles) == len(nodes) // 2 and all(up for _, up in roles)

    until(lambda: all(well(node, len(nodes) // 2) for node in nodes) and whole())


def until(what: Callable[[], bool]) -> None:
    """Return once it is so, also where a node is away, or still loading its data."""
    deadline = time.monotonic() + AGREE_S
    while True:
        with suppress(redis.RedisError, TransientError):
            if what():
                return
        assert time.monotonic() < deadline, "the nodes do not agree"
        time.sleep(0.05)


def await_agreement(nodes: Sequence[Node]) -> None:
    """Return once every node says that all is well and knows all others."""
    until = time.monotonic() + AGREE_S
    while not all(well(node, len(nodes)) for node in nodes):
        assert time.monotonic() < until, "the nodes do not agree"
        time.sleep(0.05)


def well(node: Node, size: int) -> bool:
    """Whether a node sees a whole cluster of this size."""
    info = bytes(node.client.execute_command("CLUSTER", "INFO")).split()
    return b"cluster_state:ok" in info and b"cluster_size:%d" % size in info


def owner(nodes: Sequence[Node], slot: int) -> Node:
    """The node that serves a slot, if none was moved."""
    return next(node for i, node in enumerate(nodes) if slot < (i + 1) * SLOTS // len(nodes))


def move_slot(slot: int, source: Node, target: Node, *, finish: bool = True) -> None:
    """Move a slot and its keys; without the finish the source says ASK for what is gone."""
    target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id)
    source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id)
    for key in source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
        source.client.execute_command("MIGRATE", HOST, target.port, key, 0, 5000)
    if finish:
        for node in (target, source):
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target.node_id)
