"""Servers go away while alerts flow: the service lives, says so, loses nothing, and ends when it is told to."""

import signal
import time
from itertools import islice

import numpy as np
import pytest
import redis

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.packets.framings import encode
from tests.integration.test_service import batch_predictions
from tests.support.service import Service, eventually

ALERTS = 3000
SILENT_S = 60
DECODED = 'misweeper_stage_seconds_count{stage="decode"} '


@pytest.fixture
def servers():
    with EmbeddedValkey(persistent=True) as valkey, EmbeddedKafka() as kafka:
        yield valkey, kafka


@pytest.mark.timeout(240)
def test_redis_then_kafka_go_away_and_come_back(servers, topic_prefix, tmp_path, monkeypatch):
    valkey, kafka = servers
    service = Service(kafka.bootstrap_servers, valkey.url, topic_prefix, tmp_path, {"MISWEEPER_REDIS__TIMEOUT_S": "1"})
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    parts = [records[i::1][: ALERTS // 3] for i in (0, ALERTS // 3, 2 * ALERTS // 3)]

    def send(part):
        service.send((r["objectId"], encode(r, "observation")) for r in part)

    try:
        valkey.kill()
        send(parts[0])
        eventually(lambda: "redis" in worker.ask("/readyz")[1])
        assert worker.ask("/livez")[0] == 200
        valkey.start()
        worker.await_ready(30)

        valkey.pause()
        send(parts[1])
        eventually(lambda: "redis" in worker.ask("/readyz")[1])
        valkey.resume()
        worker.await_ready(30)

        send(parts[2])
        kafka.restart()
        found = service.collect(ALERTS, seconds=90)
        worker.await_ready(60)
    finally:
        service.close()
    assert len(found["classifications"]) == len({p.source for p in found["classifications"]}) == ALERTS
    expected = batch_predictions(records)
    for p in found["classifications"]:
        probabilities = np.array([c["probability"] for c in p.record["classifications"]])
        assert np.abs(probabilities - expected[p.record["objectId"]][p.record["observations"] - 1]).max() < 2e-5


@pytest.fixture
def stuck(servers, topic_prefix, tmp_path, monkeypatch):
    """A worker that has a batch in hand and cannot finish it: Redis answers, but takes nothing for a minute."""
    valkey, kafka = servers
    limits = {"MISWEEPER_SHUTDOWN_TIMEOUT_S": "8", "MISWEEPER_REDIS__TIMEOUT_S": str(SILENT_S)}
    service = Service(kafka.bootstrap_servers, valkey.url, topic_prefix, tmp_path, limits)
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    try:
        with redis.Redis.from_url(valkey.url) as client:
            client.client_pause(1000 * SILENT_S, all=False)
        service.send((r["objectId"], encode(r, "observation")) for r in islice(read_alerts(HELDOUT), 100))
        eventually(lambda: DECODED in worker.ask("/metrics")[1] and DECODED + "0.0" not in worker.ask("/metrics")[1])
        yield worker
    finally:
        service.close()


def test_a_batch_that_cannot_be_finished_does_not_hold_an_end_up(stuck):
    began = time.monotonic()
    assert stuck.stop() == 3
    assert time.monotonic() - began < SILENT_S


def test_a_second_signal_ends_it_at_once(stuck):
    """Else it would end with 3, when the time is over in which a batch may be finished."""
    while stuck.process.poll() is None:
        stuck.process.send_signal(signal.SIGTERM)  # so often, since two that come at once are one
        time.sleep(0.2)
    assert stuck.process.returncode == 128 + signal.SIGTERM
