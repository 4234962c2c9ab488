"""Three real Kafkas that are one: each partition, each group and each transaction has copies on all of them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from confluent_kafka.admin import AdminClient
from rich.console import Console

from broker.embedded import EmbeddedKafka
from broker.embedded.kafka import new_cluster_id
from broker.embedded.ports import HOST, free_port
from tests.support.servers import running

COPIES = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "min.insync.replicas": "2",
    "controller.quorum.request.timeout.ms": "1000",
}
HEAP_MB = 320
ANSWER_S = 30.0


class KafkaNode(EmbeddedKafka):
    """One of them; it answers once two are up."""

    def __init__(self, number: int, controllers: Mapping[int, int], cluster_id: str, console: Console | None) -> None:
        super().__init__(console, settings=COPIES | {"node.id": str(number)}, max_heap_mb=HEAP_MB)
        self.number = number
        self._controllers, self._id = controllers, cluster_id

    def prepare(self) -> None:
        self.port, self.controller_port, self.cluster_id = free_port(), self._controllers[self.number], self._id
        self.write_properties(",".join(f"{number}@{HOST}:{port}" for number, port in self._controllers.items()))


class Kafkas:
    """All three."""

    def __init__(self, nodes: Sequence[KafkaNode]) -> None:
        self.nodes = nodes

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def coordinator(self, group: str) -> KafkaNode:
        """The node that leads a group."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        found = admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result(ANSWER_S)
        return next(node for node in self.nodes if node.number == found.coordinator.id)


@contextmanager
def kafkas(console: Console | None = None, size: int = 3) -> Iterator[Kafkas]:
    """Kafkas that all answer."""
    controllers, cluster_id = {number: free_port() for number in range(1, size + 1)}, new_cluster_id()
    nodes = [KafkaNode(number, controllers, cluster_id, console) for number in controllers]
    with ExitStack() as stack, ThreadPoolExecutor(size) as pool:
        starts = [pool.submit(stack.enter_context, running(node)) for node in nodes]  # none answers alone
        for start in starts:
            start.result()
        yield Kafkas(nodes)
