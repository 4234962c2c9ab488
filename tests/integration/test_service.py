"""The whole way of the data on real servers, `misweeper run` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import islice

import numpy as np
import psutil
import pytest
from confluent_kafka import Producer

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.kafka.subscription import Subscription
from broker.packets.framings import encode
from model import artefact
from model.classifier import Classifier
from model.runs import Runs
from tests.support.alerts import alerts_of, container, record, schemaless, wire
from tests.support.service import Service, eventually

OBSERVATIONS = 20_000


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    yield service
    service.close()


def batch_predictions(records):
    """By object, the probabilities after each of its observations: one pass over each whole curve."""
    alerts = alerts_of(records)
    names, owner = alerts.grouped()
    order, sizes = np.argsort(owner, kind="stable"), np.bincount(owner)
    ends = np.cumsum(sizes)
    classifier = Classifier(artefact.load(artefact.DEFAULT), device="cpu", priors="natural")
    states = np.tile(classifier.start_state, (len(names), 1))
    contexts = alerts.contexts[order[ends - sizes]]
    verdicts, _ = classifier.classify(Runs(states, alerts.own[order], ends, contexts, np.arange(len(order))))
    return {
        name.decode().partition("/")[2]: chances
        for name, chances in zip(names, np.split(verdicts.probabilities, ends[:-1]), strict=True)
    }


def test_twenty_thousand_observations_each_classified_once_as_batch_prediction_does(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=6)
    service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), OBSERVATIONS))
    service.send((r["objectId"], encode(r, "observation")) for r in records)
    found = service.collect(OBSERVATIONS)
    got = {p.record["alertId"]: p.record for p in found["classifications"]}
    assert len(found["classifications"]) == len(got) == OBSERVATIONS
    assert not found["dead-letters"]
    assert len({p.source for p in found["classifications"]}) == OBSERVATIONS
    expected = batch_predictions(records)
    seen = Counter()
    for r in records:
        answer = got[r["alertId"]]
        seen[r["objectId"]] += 1
        probabilities = np.array([c["probability"] for c in answer["classifications"]])
        assert answer["observations"] == seen[r["objectId"]]
        assert abs(probabilities.sum() - 1) < 1e-5
        assert np.abs(probabilities - expected[r["objectId"]][seen[r["objectId"]] - 1]).max() < 2e-5
    flagged = {a for a, answer in got.items() if answer["anomaly"]}
    assert {p.record["alertId"] for p in found["anomalies"]} == flagged
    worker = service.workers[0]  # a reader may know of a commit before it does
    eventually(lambda: worker.metric("misweeper_fates_total", fate="published", survey="plasticc") == OBSERVATIONS)
    assert worker.stop() == 0


@pytest.mark.parametrize(("per_s", "seconds", "median_s"), [(8, 6, 0.1), (1000, 6, 0.25)])
def test_an_alert_is_answered_at_once_whether_few_come_or_many(service, monkeypatch, per_s, seconds, median_s):
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), per_s * seconds))
    messages = [(r["alertId"], r["objectId"], encode(r, "observation")) for r in records]
    schemas = {f"{service.prefix}classifications": "classification"}
    subscription = Subscription({"bootstrap.servers": service.kafka}, schemas)
    sent, took = {}, {}
    producer = Producer({"bootstrap.servers": service.kafka, "linger.ms": 0})

    def send():
        began = time.monotonic()
        for i, (number, key, value) in enumerate(messages):
            time.sleep(max(0.0, began + i / per_s - time.monotonic()))
            sent[number] = time.monotonic()
            producer.produce(service.input, value, key)
            producer.poll(0)
        producer.flush()

    for _ in subscription.poll(1, 3.0):  # it has its partitions
        pass
    sender = threading.Thread(target=send)
    sender.start()
    deadline = time.monotonic() + seconds + 60
    while len(took) < len(messages) and time.monotonic() < deadline:
        for published in subscription.poll(1000, 0.01):
            number = published.record["alertId"]
            took[number] = time.monotonic() - sent[number]
    sender.join()
    subscription.close()
    assert len(took) == len(messages), worker.log()[-2000:]
    waited = sorted(took.values())
    assert waited[len(waited) // 2] < median_s


def test_bad_messages_are_dead_letters_and_the_batch_goes_on(service, monkeypatch):
    monkeypatch.setenv("MISWEEPER_LIMITS__MAX_MESSAGE_BYTES", "60000000")  # the topic of a survey that allows more
    service.create_topics(monkeypatch, partitions=1)
    monkeypatch.delenv("MISWEEPER_LIMITS__MAX_MESSAGE_BYTES")
    service.worker().await_ready()
    bad = [
        b"no Avro at all",
        b"",
        wire(record(flux=float("nan"))),
        wire(record(fluxErr=-1.0)),
        wire(record(band="x")),
        wire(record(mjd=0.0)),
        wire(record(objectId="")),
        b"\x00\x00\x00\x03\xe8" + schemaless(record()),
        b"\x0e" + b"\x80\x80\x80\x80\x80\x80\x01" + b"abc",
        np.random.default_rng(1).bytes(50_000_000),
    ]
    good = [frame(record(alertId=i, mjd=59000.0 + i)) for i, frame in enumerate((wire, schemaless, container), 1)]
    service.send([("k", good[0]), *(("k", b) for b in bad), ("k", good[1]), ("k", good[2])])
    found = service.collect(len(bad) + len(good))
    assert [p.record["alertId"] for p in found["classifications"]] == [1, 2, 3]
    letters = [p.record for p in found["dead-letters"]]
    assert [letter["sourceOffset"] for letter in letters] == list(range(1, len(bad) + 1))
    assert [letter["value"] or b"" for letter in letters] == bad
    assert [letter["reason"] for letter in letters[:8]] == [
        letters[0]["reason"],
        "empty",
        *["invalid_field"] * 5,
        "unknown_schema",
    ]
    assert letters[-1]["reason"] == "too_large"
    assert psutil.Process(service.workers[0].process.pid).memory_info().rss < 2_000_000_000


def test_a_dead_letter_larger_than_its_topic_takes_is_cut(service, monkeypatch, topic_names):
    topic_names("classifications", "anomalies", "dead-letters", max_message_bytes="1000000")
    service.create_topics(monkeypatch, partitions=1)
    service.worker().await_ready()
    noise = np.random.default_rng(1).bytes(3_000_000)
    service.send([("k", noise), ("615", wire(record()))])
    found = service.collect(2)
    (letter,) = found["dead-letters"]
    assert (letter.record["reason"], letter.record["valueSize"]) == ("too_large", len(noise))
    assert 0 < len(letter.record["value"]) < 1_000_000
    assert noise.startswith(letter.record["value"])
    assert len(found["classifications"]) == 1


def test_the_same_alert_twice_is_a_duplicate_and_any_order_gives_one_curve(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=1)
    service.worker().await_ready()
    days = [5, 1, 3, 2, 4, 3]
    service.send(("615", wire(record(alertId=100 + d, mjd=59000.0 + d, flux=float(d)))) for d in days)
    found = service.collect(len(days))
    assert [p.record["observations"] for p in found["classifications"]] == [1, 2, 3, 4, 5]
    (letter,) = found["dead-letters"]
    assert (letter.record["fate"], letter.record["sourceOffset"], letter.record["value"]) == ("duplicate", 5, None)


def test_a_worker_started_before_its_topics_waits_for_them_and_says_so(service, monkeypatch):
    worker = service.worker()
    eventually(lambda: "waiting for topics" in worker.log())
    assert worker.ask("/livez")[0] == 200
    assert worker.ask("/readyz")[0] == 503
    service.create_topics(monkeypatch, partitions=1)
    worker.await_ready()
    service.send([("615", wire(record()))])
    assert len(service.collect(1)["classifications"]) == 1


def test_a_worker_is_killed_and_another_goes_on_without_loss_or_double(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=3)
    first = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), 6000))
    service.send((r["objectId"], encode(r, "observation")) for r in records[:3000])
    eventually(lambda: first.metric("misweeper_fates_total", fate="published") > 0)
    first.stop(signal.SIGKILL)
    service.worker(MISWEEPER_WORKER=first.environment["MISWEEPER_WORKER"])
    service.send((r["objectId"], encode(r, "observation")) for r in records[3000:])
    found = service.collect(6000)
    assert len(found["classifications"]) == len({p.source for p in found["classifications"]}) == 6000
    expected = batch_predictions(records)
    for p in found["classifications"]:
        probabilities = np.array([c["probability"] for c in p.record["classifications"]])
        assert np.abs(probabilities - expected[p.record["objectId"]][p.record["observations"] - 1]).max() < 2e-5


def test_sigterm_finishes_and_exits_zero(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 15


def run_command(*arguments, environment):
    return subprocess.run(
        [sys.executable, "-m", "broker.commands.main", *arguments],
        check=False,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS"),
        ({"MISWEEPER_REDIS__URL": "redis://127.0.0.1:1/0"}, "MISWEEPER_REDIS__URL"),
        ({"MISWEEPER_KAFKA__TOPIC": "alerts"}, "MISWEEPER_KAFKA__TOPIC"),
        ({"MISWEEPER_CLASSIFIER__DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""}, "cuda"),
        ({"MISWEEPER_CLASSIFIER__ARTEFACT": "nowhere"}, "nowhere"),
    ],
)
def test_what_the_operator_can_mend_is_one_sentence_and_exit_code_two(service, changes, word):
    done = run_command("run", environment=service.variables() | {"MISWEEPER_HTTP__PORT": "0"} | changes)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("misweeper: ")
    assert word in last
    assert "Traceback" not in done.stderr


def test_a_corrupt_artefact_is_one_sentence_and_exit_code_two(service, tmp_path):
    folder = tmp_path / "artefact"
    folder.mkdir()
    for path in artefact.DEFAULT.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(bytes(weights))
    changes = {"MISWEEPER_CLASSIFIER__ARTEFACT": str(folder), "MISWEEPER_HTTP__PORT": "0"}
    done = run_command("run", environment=service.variables() | changes)
    assert done.returncode == 2
    assert "damaged" in done.stderr


def test_check_tries_every_connection(service, monkeypatch):
    done = run_command("check", environment=service.variables())
    assert done.returncode == 2, "the topics do not exist yet"
    assert "misweeper topics create" in done.stdout
    done = run_command("topics", "create", "--partitions", "1", environment=service.variables())
    assert done.returncode == 0, done.stderr
    assert run_command("check", environment=service.variables()).returncode == 0


def test_ready_answers_say_what_is_wrong(service, monkeypatch):
    worker = service.worker()
    eventually(lambda: worker.ask("/readyz")[0] == 503)
    assert json.loads(worker.ask("/readyz")[1])["wrong"]
