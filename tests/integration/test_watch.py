"""`misweeper watch` beside a real Kafka: lines or a table, strangers passed over, and what is wrong said soon."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from confluent_kafka import Producer

from broker.embedded import EmbeddedKafka
from broker.packets.framings import encode
from tests.integration.test_service import run_command
from tests.support.hostile_names import assert_harmless
from tests.support.service import Service, eventually

HOSTILE = "[/x][link=http://evil]\x1b[2J\u202e"


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    return Service(kafka, redis_url, topic_prefix, tmp_path)


def classification(name):
    classes = [{"classId": 90, "probability": 0.75}, {"classId": 42, "probability": 0.25}]
    told = {"alertId": 1, "objectId": name, "survey": "plasticc", "mjd": 60_000.5, "ra": None, "dec": None}
    found = {"observations": 3, "classifications": classes, "priors": "balanced", "p99": 0.0}
    flag = {"anomalyScore": 2.5, "anomaly": True, "classifierName": "none", "classifierVersion": "d"}
    return encode(
        told | found | flag | {"brokerVersion": "0", "ingestTimestamp": 0, "publishTimestamp": 0}, "classification"
    )


def publish(service):
    """A classification, what strangers wrote to the topic, and another classification."""
    topic = f"{service.prefix}classifications"
    headers = [("source_topic", b"alerts"), ("source_partition", b"0"), ("source_offset", b"7")]
    producer = Producer({"bootstrap.servers": service.kafka})
    producer.produce(topic, classification(HOSTILE), headers=headers)
    producer.produce(topic, b"who knows", headers=headers)
    producer.produce(topic, None)
    producer.produce(topic, classification("stranger without headers"))
    producer.produce(topic, classification("the last"), headers=headers)
    producer.flush()


class Watching:
    """The command, with a terminal or a pipe for its output."""

    def __init__(self, environment, path, term=None):
        self.path = path
        self._ours = None
        if term:
            self._ours, output = pty.openpty()
        else:
            output = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "broker.commands.main", "watch", "--from-start"],
            env=os.environ | environment | {"COLUMNS": "200", "LINES": "40"} | ({"TERM": term} if term else {}),
            stdout=output,
            stderr=subprocess.PIPE,
        )
        os.close(output)
        self._read = b""

    def shown(self):
        if self._ours is None:
            return self.path.read_text()
        os.set_blocking(self._ours, False)
        with contextlib.suppress(BlockingIOError):
            self._read += os.read(self._ours, 1_000_000)
        return self._read.decode()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        errors = self.process.communicate(timeout=30)[1].decode()
        if self._ours is not None:
            os.close(self._ours)
        return self.process.returncode, errors


@pytest.mark.parametrize("term", [None, "dumb", "xterm"])
def test_classifications_are_shown_and_what_others_wrote_is_passed_over(service, monkeypatch, tmp_path, term):
    service.create_topics(monkeypatch, partitions=1)
    publish(service)
    watching = Watching(service.variables(), tmp_path / "out", term)
    eventually(lambda: "the last" in watching.shown() or watching.process.poll() is not None, 60)
    shown = watching.shown()
    code, errors = watching.end()
    assert (code, errors) == (0, ""), errors
    assert "stranger" not in shown
    assert "0.75" in shown
    assert "[/x][link=http://evil]\\x1b[2J\\u202e" in shown
    if term == "xterm":
        assert "2 classifications, 3 other messages" in shown
    else:
        assert_harmless(shown.replace("\r\n", "\n"), "")


def test_without_kafka_or_its_topic_it_says_so_within_seconds(service):
    began = time.monotonic()
    nowhere = run_command(
        "watch", environment=service.variables() | {"MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    )
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "refused" in nowhere.stderr
    no_topic = run_command("watch", environment=service.variables())
    assert no_topic.returncode == 2
    assert f"there is no topic {service.prefix}classifications" in no_topic.stderr
    assert time.monotonic() - began < 40


def test_a_kafka_that_goes_away_is_told(redis_url, topic_prefix, tmp_path, monkeypatch):
    with EmbeddedKafka() as kafka:
        service = Service(kafka.bootstrap_servers, redis_url, topic_prefix, tmp_path)
        service.create_topics(monkeypatch, partitions=1)
        watching = Watching(service.variables(), tmp_path / "out")
        eventually(lambda: "waiting for classifications" in watching.shown(), 60)
        kafka.kill()
        eventually(lambda: "refused" in watching.shown() or "Disconnected" in watching.shown(), 30)
        code, errors = watching.end()
    assert (code, errors) == (0, ""), errors
