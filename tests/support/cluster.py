"""A Redis Cluster of embedded Valkeys."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import redis

from broker.embedded import EmbeddedValkey
from broker.embedded.ports import HOST, free_port
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
def cluster(size: int = 3) -> Iterator[Sequence[Node]]:
    """Masters that share the slots evenly, once they all agree on it."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(Node())) for _ in range(size)]
        for i, node in enumerate(nodes):
            first, last = i * SLOTS // size, (i + 1) * SLOTS // size - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in nodes[1:]:
            nodes[0].client.execute_command("CLUSTER", "MEET", HOST, node.port, node.bus_port)
        await_agreement(nodes)
        yield nodes


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
