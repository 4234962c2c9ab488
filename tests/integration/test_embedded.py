"""The embedded servers are real, can be troubled, and leave nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console

from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.embedded.ports import HOST, free_port
from broker.errors import StartupError

QUIET = Console(quiet=True)
SIXTY_FOUR_MIB = 64 * 1024 * 1024

OWNER = """
import json, time
from broker.embedded import embedded_servers
with embedded_servers() as servers:
    both = servers.kafka, servers.valkey
    servers.valkey.pause()
    print(json.dumps([[s.pid, str(s.folder)] for s in both]), flush=True)
    time.sleep(600)
"""


class CrowdedValkey(EmbeddedValkey):
    """Takes `taken` first, as if another process had been faster."""

    taken: int | None = None

    def prepare(self) -> None:
        super().prepare()
        if self.taken:
            self.port, self.taken = self.taken, None


class SilentValkey(EmbeddedValkey):
    """Runs, and never answers."""

    start_timeout_s = 0.5

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", "echo thinking; exec sleep 60"]


def read_values(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first `count` committed values of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"reads-{topic}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            values.append(message.value())
    consumer.close()
    return values


def eventually(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def gone(pid: int) -> bool:
    """No such process, or only its entry waiting to be collected."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_kafka_keeps_transactions(kafka, topic_names):
    (topic,) = topic_names("transactions")
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    producer.flush(30)
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, b"committed")
    producer.commit_transaction(30)
    assert read_values(kafka, topic, 1) == [b"committed"]


def test_kafka_takes_a_message_of_64_mib(kafka, topic_names):
    (topic,) = topic_names("large")
    errors = []
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 2 * SIXTY_FOUR_MIB})
    producer.produce(topic, bytes(SIXTY_FOUR_MIB), on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(60) == 0
    assert errors == [None]
    assert [len(value) for value in read_values(kafka, topic, 1)] == [SIXTY_FOUR_MIB]


def test_each_test_has_topics_and_keys_of_its_own(kafka, topic_names, key_prefix, redis_url):
    names = topic_names("a", "b", partitions=3) + topic_names("c")
    assert len(set(names)) == 3
    found = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert [len(found[name].partitions) for name in names] == [3, 3, 1]
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert not client.keys(f"{key_prefix}*")


def test_kafka_comes_back_after_kill_9_with_its_port_and_data():
    with EmbeddedKafka(QUIET) as server:
        address, before = server.bootstrap_servers, server.pid
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(30)
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        producer.produce("kept", b"before the kill")
        assert producer.flush(30) == 0
        server.kill()
        assert gone(before)
        server.start()
        assert server.bootstrap_servers == address
        assert server.pid != before
        assert read_values(address, "kept", 1) == [b"before the kill"]


@pytest.mark.parametrize("persistent", [False, True])
def test_valkey_restarts_on_its_port(persistent):
    with EmbeddedValkey(QUIET, persistent=persistent) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("curve", b"points")
        port, before = server.port, server.pid
        server.restart()
        assert server.port == port
        assert gone(before)
        with redis.Redis.from_url(server.url) as client:
            assert client.get("curve") == (b"points" if persistent else None)


def test_a_paused_valkey_is_silent_until_resumed():
    with EmbeddedValkey(QUIET) as server, redis.Redis.from_url(server.url, socket_timeout=0.3) as client:
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


def test_two_servers_live_side_by_side():
    with EmbeddedValkey(QUIET) as one, EmbeddedValkey(QUIET) as other:
        assert one.port != other.port
        assert one.pid != other.pid


def test_a_port_taken_meanwhile_is_given_up():
    with socket.create_server((HOST, free_port())) as occupant:
        server = CrowdedValkey(QUIET)
        server.taken = occupant.getsockname()[1]
        with server:
            assert server.port != occupant.getsockname()[1]
            with redis.Redis.from_url(server.url) as client:
                assert client.ping()


def test_another_server_on_the_port_is_not_taken_for_ours():
    with EmbeddedValkey(QUIET) as neighbour:
        server = CrowdedValkey(QUIET)
        server.taken = neighbour.port
        with server:
            assert server.port != neighbour.port


def test_a_server_that_ends_says_why():
    server = EmbeddedKafka(QUIET, settings={"process.roles": "nonsense"})
    with pytest.raises(StartupError, match=r"(?s)exit code \d+ while starting; its log ends:\n.*nonsense"):
        server.start()
    assert not server.folder.exists()


def test_a_server_that_never_answers_is_ended():
    server = SilentValkey(QUIET)
    with pytest.raises(StartupError, match=r"did not answer within 0\.5 s; its log ends:\n    thinking"):
        server.start()
    assert not server.folder.exists()


def test_stopping_removes_process_and_folder():
    with EmbeddedValkey(QUIET) as server:
        pid = server.pid
        assert server.log_path.exists()
    assert gone(pid)
    assert not server.folder.exists()
    with pytest.raises(RuntimeError, match="Valkey is not running"):
        server.pause()
    server.stop()  # once more is no harm


def test_kill_9_of_the_owner_ends_the_servers():
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=root, stdout=subprocess.PIPE, text=True) as owner:
        servers = json.loads(owner.stdout.readline())
        assert not any(gone(pid) for pid, _ in servers)
        os.kill(owner.pid, signal.SIGKILL)
    for pid, folder in servers:
        assert eventually(lambda pid=pid: gone(pid)), f"process {pid} outlived its owner"
        assert eventually(lambda folder=folder: not Path(folder).exists()), f"{folder} was left behind"
