"""Redis loses everything in mid-stream: rebuilt from Kafka, the next alert is answered as if it had not."""

from itertools import islice

import numpy as np
import pytest
import redis

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.connections import connect_kafka, connect_redis
from broker.embedded import EmbeddedValkey
from broker.kafka.spans import read
from broker.lightcurves.rebuild import committed_spans, rebuild
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from tests.integration.test_service import batch_predictions, run_command
from tests.support.service import Service

ALERTS = 3000


@pytest.fixture
def valkey():
    with EmbeddedValkey() as valkey:  # of our own: it is flushed
        yield valkey


@pytest.fixture
def service(kafka, valkey, topic_prefix, tmp_path):
    service = Service(kafka, valkey.url, topic_prefix, tmp_path)
    yield service
    service.close()


def rebuilt(service, monkeypatch):
    settings = service.settings(monkeypatch)
    wanted = committed_spans(connect_kafka(settings), settings, 0, None)
    reader = AlertReader(settings.limits.max_message_bytes)
    return rebuild(read(settings.kafka.consumer(), wanted, 1024), reader, connect_redis(settings))


def answered_as_by_batch_prediction(published, records):
    expected = batch_predictions(records)
    for p in published:
        probabilities = np.array([c["probability"] for c in p.record["classifications"]])
        assert np.abs(probabilities - expected[p.record["objectId"]][p.record["observations"] - 1]).max() < 2e-5


def send(service, records):
    service.send((r["objectId"], encode(r, "observation")) for r in records)


def test_after_a_flush_and_a_rebuild_all_is_as_if_nothing_had_been_lost(service, valkey, monkeypatch):
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    early, late = records[: ALERTS // 2], records[ALERTS // 2 :]
    service.send([("615", b"no Avro")])
    send(service, early)
    service.collect(len(early) + 1)
    redis.Redis.from_url(valkey.url).flushall()
    objects = len({r["objectId"] for r in early})
    done = run_command("rebuild", "--since", "2020-01-01", environment=service.variables())
    assert done.stdout == (
        f"{len(early)} alerts read, 0 already there; {len(early)} entries added, {objects} objects begun anew; "
        "1 messages unreadable\n"
    ), done.stderr
    assert rebuilt(service, monkeypatch).added == 0, "all is there"
    send(service, late)
    send(service, early[:3])
    found = service.collect(ALERTS + 4)
    assert len(found["classifications"]) == len({p.source for p in found["classifications"]}) == ALERTS
    assert sorted(p.record["fate"] for p in found["dead-letters"]) == ["dead_letter", *["duplicate"] * 3]
    answered_as_by_batch_prediction(found["classifications"], records)
    assert worker.stop() == 0


def test_a_rebuild_beside_a_running_service_disturbs_nothing(service, valkey, monkeypatch):
    service.create_topics(monkeypatch, partitions=3)
    service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    early, middle, late = records[:1000], records[1000:2000], records[2000:]
    send(service, early)
    service.collect(len(early))
    redis.Redis.from_url(valkey.url).flushall()
    send(service, middle)  # classified meanwhile, some of it as if new
    assert rebuilt(service, monkeypatch).added >= len(early)
    service.collect(len(early) + len(middle))
    send(service, late)
    found = service.collect(ALERTS)
    sources = {p.source for p in found["classifications"]}
    assert len(found["classifications"]) == len(sources) == ALERTS
    assert not found["dead-letters"]
    numbers = {r["alertId"] for r in late}
    answered_as_by_batch_prediction([p for p in found["classifications"] if p.record["alertId"] in numbers], records)
    again = rebuilt(service, monkeypatch)
    assert (again.added, again.already_there) == (0, ALERTS)
