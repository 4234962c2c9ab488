"""Every offset recounted from the topics alone, on a real Kafka: clean runs are clean, and every defect is found."""

import json
import os
import subprocess
import sys
import threading
import time
from itertools import islice

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from broker.accounts.reconcile import Wanted, offsets, reconcile
from broker.accounts.reconciliation import sentences
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.errors import PoisonMessage, Reason, StartupError
from broker.kafka.message import Message
from broker.kafka.spans import Span, read
from broker.outputs.messages import Outputs
from broker.packets.framings import encode
from tests.integration.test_service import run_command
from tests.support.alerts import alerts_of, batch_of, record, wire
from tests.support.service import Service
from tests.support.verdicts import said


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    yield service
    service.close()


class Fabricated:
    """A service's topics, written by hand: fates as a test wants them."""

    def __init__(self, service, monkeypatch, partitions=1):
        service.create_topics(monkeypatch, partitions)
        self.settings = service.settings(monkeypatch)
        self.topic = service.input
        self.admin = AdminClient(self.settings.kafka.client())
        self.outputs = Outputs(self.settings.outputs, "none", "d" * 64, "balanced", "0")
        self.producer = Producer(self.settings.kafka.client())

    def alerts(self, count, partition=0):
        for _ in range(count):
            self.producer.produce(self.topic, wire(record()), partition=partition)
        self.producer.flush()

    def answer(self, fate, *answered, partition=0, flagged=False, without=()):
        for offset in answered:
            message = Message(self.topic, partition, offset, 1_000, None, b"bytes")
            if fate == "published":
                chances, one = np.full((1, 14), 1 / 14, np.float32), np.ones(1)
                verdicts = said(chances, 0.1 * one, 9.0 * one, np.array([flagged]))
                batch, alerts = batch_of([record()], self.topic, partition, offset), alerts_of([record()])
                made = self.outputs.classifications(batch, alerts, verdicts, np.array([1]), 1, 1)
            elif fate == "duplicate":
                made = [self.outputs.duplicate(message, 1)]
            else:
                made = [self.outputs.dead_letter(message, PoisonMessage(Reason.NOT_AVRO, "no Avro"), 1)]
            for one in made:
                if one.topic not in without:
                    self.producer.produce(one.topic, one.value, one.key, headers=one.headers)
        self.producer.flush()

    def commit(self, offset, partition=0):
        consumer = Consumer({**self.settings.kafka.consumer(), "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(self.topic, partition, offset)], asynchronous=False)
        consumer.close()

    def reconcile(self, **wanted):
        return reconcile(self.admin, self.settings, Wanted((self.topic,), **wanted)).summary()


@pytest.fixture
def fabricated(service, monkeypatch):
    return Fabricated(service, monkeypatch)


def test_one_fate_each_is_clean_and_what_is_not_committed_is_pending(fabricated):
    fabricated.alerts(12)
    fabricated.answer("published", *range(5))
    fabricated.answer("published", 5, flagged=True)
    fabricated.answer("duplicate", 6)
    fabricated.answer("dead_letter", 7)
    fabricated.commit(8)
    found = fabricated.reconcile()
    assert found["clean"]
    (row,) = found["partitions"]
    assert (row["from"], row["to"], row["pending"], row["empty"]) == (0, 8, 4, 0)
    assert (row["published"], row["duplicate"], row["declined"], row["dead_letter"]) == (6, 1, 0, 1)


def test_a_group_that_has_not_begun_has_everything_pending(fabricated):
    fabricated.alerts(3)
    found = fabricated.reconcile()
    assert (found["clean"], found["totals"]["pending"], found["totals"]["gaps"]) == (True, 3, 0)


def test_every_gap_double_and_stray_anomaly_is_found(fabricated):
    outputs = fabricated.settings.outputs
    fabricated.alerts(60)
    fabricated.answer("published", *range(10), 4)
    fabricated.answer("dead_letter", 5)
    fabricated.answer("published", 10, flagged=True, without=[outputs.anomalies])
    fabricated.answer("published", 11, flagged=True, without=[outputs.classifications])
    fabricated.answer("published", *range(12, 30))
    fabricated.producer.produce(outputs.anomalies, b"who knows")
    fabricated.producer.flush()
    fabricated.commit(60)
    found = fabricated.reconcile()
    assert not found["clean"]
    assert found["defects"] == {
        "double": 2,
        "flagged without its anomaly": 1,
        "anomaly without its classification": 1,
        "gap": 31,
    }
    assert found["nameless"] == 1
    listed = {(one["defect"], one["offset"]): one["found"] for one in found["first"]}
    assert listed["double", 4] == "published, again"
    assert listed["double", 5] == "published, dead_letter"
    assert listed["gap", 11] == "anomaly"
    assert len([key for key in listed if key[0] == "gap"]) == 20


def test_a_span_of_offsets_or_of_time_is_all_that_is_looked_at(fabricated):
    fabricated.alerts(10)
    fabricated.answer("published", *range(3), *range(4, 10))
    fabricated.commit(10)
    assert fabricated.reconcile()["defects"] == {"gap": 1}
    assert fabricated.reconcile(start=offsets("0:4"))["clean"]
    assert fabricated.reconcile(end=offsets("3"))["clean"]
    time.sleep(0.01)
    now_ms = time.time_ns() // 1_000_000
    fabricated.alerts(2)
    fabricated.commit(12)
    found = fabricated.reconcile(since_ms=now_ms)
    assert [(r["from"], r["to"]) for r in found["partitions"]] == [(10, 12)]
    assert found["defects"] == {"gap": 2}
    assert fabricated.reconcile(until_ms=now_ms)["defects"] == {"gap": 1}
    assert fabricated.reconcile(until_ms=1_000)["clean"]


def test_offsets_without_a_message_are_no_gaps(fabricated):
    producer = Producer({**fabricated.settings.kafka.client(), "transactional.id": fabricated.topic})
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(fabricated.topic, wire(record()))
        producer.flush()
        end()  # a marker of its own takes an offset
    fabricated.answer("published", 0, 1, 2, 8, 10)
    fabricated.commit(12)
    found = fabricated.reconcile()
    assert [(one["defect"], one["offset"]) for one in found["first"]] == [("gap", 9)]
    assert found["partitions"][0]["empty"] == 6


def test_a_gap_whose_answer_may_have_been_deleted_says_so(fabricated):
    fabricated.alerts(4)
    fabricated.answer("published", *range(4))
    fabricated.commit(4)
    deleted = TopicPartition(fabricated.settings.outputs.classifications, 0, 2)
    (future,) = fabricated.admin.delete_records([deleted]).values()
    future.result(10)
    found = fabricated.reconcile()
    assert (found["defects"], found["expired"]) == ({"gap": 2}, 2)
    assert "2 outputs are no longer retained" in "\n".join(sentences(found))


def test_a_transaction_that_stays_open_is_waited_for_and_then_said(fabricated):
    producer = Producer({**fabricated.settings.kafka.client(), "transactional.id": fabricated.topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(fabricated.topic, b"never committed")
    producer.flush()
    reading = read(fabricated.settings.kafka.consumer(), [Span(fabricated.topic, 0, 0, 1)], silence_s=0.5)
    with pytest.raises(StartupError, match=r"nothing came from .*alerts\[0\] after offset 0 for 0 s .*try again"):
        list(reading)
    producer.abort_transaction()


def test_a_running_service_is_clean_at_any_time(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), 4000))
    messages = [(r["objectId"], encode(r, "observation")) for r in records]
    messages[100:100] = [("615", b"no Avro"), *messages[:5]]
    settings = service.settings(monkeypatch)
    admin = AdminClient(settings.kafka.client())

    def send():
        for first in range(0, len(messages), 200):
            service.send(messages[first : first + 200])

    sender = threading.Thread(target=send)
    sender.start()
    all_sent, totals = False, {}
    while not all_sent or totals["pending"]:
        all_sent = not sender.is_alive()
        found = reconcile(admin, settings, Wanted(settings.kafka.topics)).summary()
        assert found["clean"], found
        totals = found["totals"]
    last = {name: count for name, count in totals.items() if count and name != "empty"}
    assert last == {"published": 4000, "dead_letter": 1, "duplicate": 5}
    assert worker.stop() == 0


def test_the_command_prints_a_table_writes_json_and_exits_with_one(service, fabricated, tmp_path):
    fabricated.alerts(3)
    fabricated.answer("published", 0, 0, 1)
    fabricated.commit(3)
    done = run_command("reconcile", "--json", str(tmp_path / "found.json"), environment=service.variables())
    assert done.returncode == 1, done.stderr
    assert "double: " in done.stdout
    assert done.stdout.strip().endswith("not every offset has one fate")
    assert json.loads((tmp_path / "found.json").read_text())["defects"] == {"double": 1, "gap": 1}
    done = run_command("reconcile", "--topic", "never-made", environment=service.variables())
    assert done.returncode == 2
    assert "there is no topic never-made" in done.stderr
    with pytest.raises(StartupError, match=r"no topic matches \^never-made"):
        reconcile(fabricated.admin, fabricated.settings, Wanted(("^never-made",)))


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_figure_is_cut_however_narrow_the_terminal(service, fabricated, columns):
    fabricated.alerts(1_234)
    fabricated.answer("duplicate", *range(1_100))
    fabricated.answer("published", *range(1_100, 1_234))
    fabricated.commit(1_234)
    done = run_command("reconcile", environment=service.variables() | {"COLUMNS": str(columns)})
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    assert "..." not in done.stdout
    whole = done.stdout.replace(",\n", ", ")
    for figure in ("1,100", "134", "1234"):
        assert figure in whole
    assert fabricated.topic in done.stdout
    assert done.stdout.splitlines()[-1] == "every offset has one fate"


def test_of_nothing_it_says_that_there_is_nothing(service, fabricated):
    done = run_command("reconcile", environment=service.variables())
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "nothing to account for: there is no alert in that span"
    fabricated.alerts(3)
    done = run_command("reconcile", environment=service.variables())
    assert done.stdout.splitlines()[-1] == "nothing to account for: the group has not committed any of 3 offsets"


def test_exit_code_1_is_for_findings_alone(service, fabricated, tmp_path):
    fabricated.alerts(1)
    fabricated.answer("published", 0)
    fabricated.commit(1)
    unwritable = run_command("reconcile", "--json", str(tmp_path / "no" / "a"), environment=service.variables())
    assert (unwritable.returncode, unwritable.stdout) == (2, "")
    for shell in ("misweeper reconcile >/dev/full", "misweeper reconcile | true; exit ${PIPESTATUS[0]}"):
        line = shell.replace("misweeper", f"{sys.executable} -m broker.commands.main")
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            env=os.environ | service.variables(),
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode in ((2,) if "full" in shell else (0, 2)), done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
