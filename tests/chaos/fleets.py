"""Several servers in the place of one: what is done to Kafka or to Redis is done to one node, drawn by chance.

A Valkey that goes is a master, and while it is away its replica takes over. Only one is away at a time: the next one
waits until every master has a replica that has all it has, for else nobody could know what should be there.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console

from broker.embedded import EmbeddedKafka, EmbeddedValkey, Servers
from tests.support.cluster import Node, await_replicas, replicated, role, until
from tests.support.kafkas import Kafkas, kafkas

CLUSTER = {"MISWEEPER_REDIS__CLUSTER": "true", "MISWEEPER_REDIS__REPLICAS": "1"}


class KafkaFleet:
    """Kafkas to which something is done."""

    def __init__(self, three: Kafkas, rng: random.Random) -> None:
        self.bootstrap_servers = three.bootstrap_servers
        self._nodes, self._rng = three.nodes, rng
        self._hit = three.nodes[0]

    def kill(self) -> None:
        self._hit = self._rng.choice(self._nodes)
        self._hit.kill()

    def start(self) -> None:
        self._hit.start()

    def restart(self) -> None:
        self._rng.choice(self._nodes).restart()

    def pause(self) -> None:
        self._hit = self._rng.choice(self._nodes)
        self._hit.pause()

    def resume(self) -> None:
        self._hit.resume()


class ValkeyFleet:
    """Valkeys to whose masters something is done."""

    def __init__(self, nodes: Sequence[Node], rng: random.Random) -> None:
        self.url = nodes[0].url
        self._nodes, self._rng = nodes, rng
        self._hit = nodes[0]

    def kill(self) -> None:
        masters = self._masters()
        self._hit = self._rng.choice(masters)
        others = [node for node in self._nodes if node is not self._hit]
        self._hit.kill()
        until(lambda: sum(role(node)[0] == "master" for node in others) == len(masters))

    def start(self) -> None:
        self._hit.start()
        await_replicas(self._nodes)

    def restart(self) -> None:
        self._rng.choice(self._masters()).restart()
        await_replicas(self._nodes)

    def pause(self) -> None:
        self._hit = self._rng.choice(self._masters())
        self._hit.pause()

    def resume(self) -> None:
        self._hit.resume()
        await_replicas(self._nodes)

    def _masters(self) -> list[Node]:
        return [node for node in self._nodes if role(node)[0] == "master"]


@contextmanager
def fleets(console: Console, seed: int) -> Iterator[tuple[Servers, Mapping[str, str], int]]:
    """Three Kafkas and six Valkeys, what workers are told of them, and of how many copies topics have."""
    rng = random.Random(seed)
    with replicated() as nodes, kafkas(console) as three:
        yield Servers(KafkaFleet(three, rng), ValkeyFleet(nodes, rng)), CLUSTER, 3


@contextmanager
def alone(console: Console) -> Iterator[tuple[Servers, Mapping[str, str], int]]:
    """One of each, likewise."""
    with EmbeddedValkey(console, persistent=True) as valkey, EmbeddedKafka(console) as kafka:
        yield Servers(kafka, valkey), {}, 1
