"""`misweeper watch` beside a real Kafka: lines or a table, strangers passed over, and what is wrong said soon."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from io import BytesIO
from typing import ClassVar
from zlib import crc32

import fastavro
import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from broker.connections import connect_redis
from broker.embedded import EmbeddedKafka
from broker.lightcurves.entries import cut_all, entries_of
from broker.outputs.elasticc import ElasticcEncoder
from broker.packets.framings import encode
from model.observation import OBSERVATION
from schemas.catalogue import load
from tests.integration.test_service import run_command
from tests.support.hostile_names import assert_harmless
from tests.support.service import Service, eventually

HEADERS = [("source_topic", b"alerts"), ("source_partition", b"0"), ("source_offset", b"7")]
HOSTILE = "[/x][link=http://evil]\x1b[2J\u202e"


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    return Service(kafka, redis_url, topic_prefix, tmp_path)


def classification(name, **changes):
    classes = [{"classId": 90, "probability": 0.75}, {"classId": 42, "probability": 0.25}]
    told = {"alertId": 1, "objectId": name, "survey": "plasticc", "mjd": 60_000.5, "ra": None, "dec": None}
    found = {"observations": 3, "classifications": classes, "priors": "balanced", "p99": 0.0}
    flag = {"anomalyScore": 2.5, "anomaly": True, "classifierName": "none", "classifierVersion": "d"}
    times = {"brokerVersion": "0", "ingestTimestamp": 0, "publishTimestamp": 0}
    return encode(told | found | flag | times | changes, "classification")


def publish(service):
    """A classification, what strangers wrote to the topic, and another classification."""
    topic = f"{service.prefix}classifications"
    producer = Producer({"bootstrap.servers": service.kafka})
    producer.produce(topic, classification(HOSTILE), headers=HEADERS)
    producer.produce(topic, b"who knows", headers=HEADERS)
    producer.produce(topic, None)
    producer.produce(topic, classification("stranger without headers"))
    producer.produce(topic, classification("the last"), headers=HEADERS)
    producer.flush()


def publish_all(service, values, timestamp_ms=0):
    producer = Producer({"bootstrap.servers": service.kafka})
    for value in values:
        producer.produce(f"{service.prefix}classifications", value, "o", headers=HEADERS, timestamp=timestamp_ms)
    assert producer.flush(30) == 0


@pytest.fixture(autouse=True)
def nothing_is_left():
    """A test that fails leaves no command behind."""
    yield
    while Watching.started:
        process = Watching.started.pop()
        process.kill()
        process.wait(10)


class Watching:
    """The command, with a terminal or a pipe for its output."""

    started: ClassVar = []

    def __init__(self, environment, path, term=None, options=("--from-start",)):
        self.path = path
        self._ours = None
        if term:
            self._ours, output = pty.openpty()
        else:
            output = os.open(path, os.O_WRONLY | os.O_CREAT)
        errors = os.open(path.with_suffix(".err"), os.O_WRONLY | os.O_CREAT)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "broker.commands.main", "watch", *options],
            env=os.environ | environment | {"COLUMNS": "200", "LINES": "40"} | ({"TERM": term} if term else {}),
            stdout=output,
            stderr=errors,
        )
        self.started.append(self.process)
        os.close(output)
        os.close(errors)
        self._read = b""

    def shown(self):
        if self._ours is None:
            return self.path.read_text()
        os.set_blocking(self._ours, False)
        with contextlib.suppress(OSError):  # nothing to read yet, or it has ended
            self._read += os.read(self._ours, 1_000_000)
        return self._read.decode(errors="replace")  # a character may be cut

    def errors(self):
        return self.path.with_suffix(".err").read_text()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        eventually(lambda: self.shown() is None or self.process.poll() is not None, 30)  # it may wait to be read
        errors = self.path.with_suffix(".err").read_text()
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
        kafka.start()
        eventually(lambda: "Kafka answers again" in watching.shown(), 60)  # though no message has come
        code, errors = watching.end()
    assert (code, errors) == (0, ""), errors


def test_a_kafka_that_hangs_is_told_though_no_message_is_due(redis_url, topic_prefix, tmp_path, monkeypatch):
    with EmbeddedKafka() as kafka:
        service = Service(kafka.bootstrap_servers, redis_url, topic_prefix, tmp_path)
        service.create_topics(monkeypatch, partitions=1)
        watching = Watching(service.variables(), tmp_path / "out", options=("--from-start", "--format", "jsonl"))
        publish_all(service, [classification("a")])
        eventually(watching.shown, 60)
        kafka.pause()
        try:
            eventually(watching.errors, 30)
        finally:
            kafka.resume()
        eventually(lambda: "Kafka answers again" in watching.errors(), 60)
        assert watching.end()[0] == 0


def test_a_topic_that_is_deleted_is_told(service, monkeypatch, tmp_path):
    service.create_topics(monkeypatch, partitions=1)
    watching = Watching(service.variables(), tmp_path / "out")
    eventually(lambda: "waiting for classifications" in watching.shown(), 60)
    topic = f"{service.prefix}classifications"
    admin = AdminClient({"bootstrap.servers": service.kafka})
    admin.delete_topics([topic])[topic].result(30)
    eventually(lambda: f"there is no topic {topic} any more" in watching.shown(), 60)
    assert watching.end() == (0, "")


def test_json_lines_of_what_is_wanted_since_a_time(service, monkeypatch, tmp_path):
    service.create_topics(monkeypatch, partitions=2)
    publish_all(service, [classification("before")], timestamp_ms=1_000_000_000_000)
    wanted = [classification(HOSTILE, survey="ztf", alertId=2**60), classification("other", survey="rubin")]
    publish_all(service, wanted, timestamp_ms=1_700_000_000_000)
    options = ("--since", "2020-01-01", "--survey", "ztf", "--class", "sn ia", "--probability", "0.7", "--anomalies")
    watching = Watching(service.variables(), tmp_path / "out", options=(*options, "--format", "jsonl"))
    eventually(lambda: watching.shown() or watching.process.poll() is not None, 60)
    publish_all(service, [classification("the last", survey="ztf")], timestamp_ms=1_700_000_000_001)
    eventually(lambda: watching.shown().count("\n") == 2 or watching.process.poll() is not None, 60)
    assert watching.end() == (0, "")
    first, last = map(json.loads, watching.shown().splitlines())
    assert (first["objectId"], first["alertId"]) == (HOSTILE, str(2**60))
    assert last["objectId"] == "the last"
    assert_harmless(watching.shown(), "")


def names_in(paths):
    """The objects in container files, as far as they are written."""
    found = []
    for path in paths:
        with contextlib.suppress(ValueError, EOFError, StopIteration), path.open("rb") as file:
            found += [one["objectId"] for one in fastavro.reader(file)]
    return found


def test_an_avro_file_is_there_once_it_is_whole(service, monkeypatch, tmp_path):
    service.create_topics(monkeypatch, partitions=1)
    publish(service)
    path = tmp_path / "all.avro"
    options = ("--from-start", "--format", "avro", "--output", str(path))
    watching = Watching(service.variables(), tmp_path / "out", options=options)
    eventually(lambda: names_in(tmp_path.glob(".misweeper-*.part")) == [HOSTILE, "the last"], 60)
    assert not path.exists()
    assert watching.end() == (0, "2 classifications written\n")
    assert names_in([path]) == [HOSTILE, "the last"]


def test_an_objects_light_curve_is_drawn_with_its_last_classification(service, monkeypatch, tmp_path):
    service.create_topics(monkeypatch, partitions=2)
    settings = service.settings(monkeypatch)
    key = b"ztf/a"
    rows = np.array([(60_000 + i, 100 * i, 5, 1 + i % 2, i > 1) for i in range(4)], OBSERVATION)
    numbers = np.arange(4)
    entries = entries_of(
        rows, alert_ids=numbers, offsets=numbers, sources=np.zeros(4, np.uint32), history=np.zeros(4, bool),
        salts=np.full(4, crc32(key), np.uint64),
    )  # fmt: skip
    store = connect_redis(settings)
    store.identities.begin()
    store.append([(key, cut_all(entries))], [True])
    values = [classification("a", survey="ztf", observations=i) for i in (3, 4)]
    publish_all(service, [*values, classification("b", survey="ztf")])
    done = run_command("watch", "--object", "ztf/a", environment=service.variables() | {"COLUMNS": "100"})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "light curve of ztf/a: 4 observations" in done.stdout
    assert "g 1/2  r 1/2  (detected/all)" in done.stdout
    assert "SN Ia  0.750" in done.stdout
    assert "after 4 observations" in done.stdout
    live = Watching(service.variables(), tmp_path / "out", "xterm", ("--object", "a", "--survey", "ztf"))
    eventually(lambda: "after 4 observations" in live.shown() or live.process.poll() is not None, 60)
    publish_all(service, [classification("a", survey="ztf", observations=5)])
    eventually(lambda: "after 5 observations" in live.shown() or live.process.poll() is not None, 60)
    assert live.end() == (0, "")


@pytest.mark.parametrize("framing", ["container", "schemaless"])
def test_what_a_route_publishes_is_read_by_the_routes_name(service, monkeypatch, tmp_path, framing):
    service.environment = {
        "MISWEEPER_OUTPUTS__ROUTES__TDES__TOPIC": f"{service.prefix}tdes",
        "MISWEEPER_OUTPUTS__ROUTES__TDES__FRAMING": framing,
    }
    service.create_topics(monkeypatch, partitions=1)
    body = classification(HOSTILE)[5:]
    container = BytesIO()
    schema = load("classification")
    fastavro.writer(container, schema, [fastavro.schemaless_reader(BytesIO(body), schema, None)])
    producer = Producer({"bootstrap.servers": service.kafka})
    value = body if framing == "schemaless" else container.getvalue()
    producer.produce(f"{service.prefix}tdes", value, headers=HEADERS)
    assert producer.flush(30) == 0
    options = ("--route", "tdes", "--from-start", "--format", "jsonl")
    watching = Watching(service.variables(), tmp_path / "out", options=options)
    eventually(lambda: watching.shown() or watching.process.poll() is not None, 60)
    assert watching.end() == (0, "")
    assert json.loads(watching.shown())["objectId"] == HOSTILE


def test_records_that_name_no_survey_are_found_by_the_object_that_their_key_names(service, monkeypatch, tmp_path):
    service.environment = {
        "MISWEEPER_OUTPUTS__ROUTES__DESC__TOPIC": f"{service.prefix}desc",
        "MISWEEPER_OUTPUTS__ROUTES__DESC__CONTENT": "elasticc",
        "MISWEEPER_OUTPUTS__ROUTES__DESC__FRAMING": "schemaless",
    }
    service.create_topics(monkeypatch, partitions=1)
    encoder = ElasticcEncoder(priors="natural", classifier_name="n", classifier_version="d", broker_version="0")
    bodies = encoder.declined([(number, number, 0) for number in (1, 2, 3)], 0)
    producer = Producer({"bootstrap.servers": service.kafka})
    for body, key in zip(bodies, ("rubin/7", "ztf/7", "ztf/8"), strict=True):
        producer.produce(f"{service.prefix}desc", body, key, headers=HEADERS)
    assert producer.flush(30) == 0
    options = ("--route", "desc", "--survey", "ztf", "--from-start", "--format", "jsonl")
    watching = Watching(service.variables(), tmp_path / "out", options=options)
    eventually(lambda: len(watching.shown().splitlines()) == 2 or watching.process.poll() is not None, 60)
    assert watching.end() == (0, "")
    found = [json.loads(line) for line in watching.shown().splitlines()]
    assert [(one["alertId"], one["survey"], one["objectId"]) for one in found] == [("2", "ztf", "7"), ("3", "ztf", "8")]


def test_a_survey_that_is_none_is_one_sentence_and_exit_code_two():
    done = run_command("watch", "--survey", "ztff", environment={})
    assert done.returncode == 2
    assert done.stderr.strip().startswith("misweeper: there is no survey ztff; there are plasticc, rubin, lsst, ztf,")
    assert len(done.stderr.strip().splitlines()) == 1
