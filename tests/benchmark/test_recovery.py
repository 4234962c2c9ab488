"""How soon classification goes on, on all partitions: after a worker was killed, after Redis or Kafka was restarted.

Run by `make bench`, on a machine that has nothing else to do: these bounds are promised, but not of a busy one.
"""

import signal
import threading
import time
from itertools import cycle, islice

import pytest
from rich.console import Console

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.kafka.subscription import Subscription
from broker.packets.framings import encode
from tests.support.service import Service

SESSION_S = 6.0  # MISWEEPER_KAFKA__SESSION_TIMEOUT_MS by default
TAKEN_OVER_S, RESTARTED_S = SESSION_S + 5.0, 10.0
RATE_PER_S = 50.0


@pytest.fixture
def servers():
    with EmbeddedValkey(persistent=True) as valkey, EmbeddedKafka() as kafka:
        yield valkey, kafka


class Trickle(threading.Thread):
    """Alerts at a steady rate on all partitions, until told to stop."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.stopping = threading.Event()

    def run(self) -> None:
        records = enumerate(cycle(islice(read_alerts(HELDOUT), 2000)))
        while not self.stopping.wait(0.2):
            some = islice(records, int(RATE_PER_S / 5))
            self.service.send((r["objectId"], encode(r | {"alertId": 1 + i}, "observation")) for i, r in some)


def answered_after_s(subscription: Subscription, partitions: int, seconds: float = 60.0) -> float:
    """How long from now until alerts of every partition are answered."""
    began, since_ms, seen = time.monotonic(), time.time() * 1000, set()
    while len(seen) < partitions:
        for published in subscription.poll(1000, 0.1):
            if published.record["publishTimestamp"].timestamp() * 1000 > since_ms:
                seen.add(published.source[1])
        assert time.monotonic() - began < seconds, f"partitions {seen} alone are answered"
    return time.monotonic() - began


@pytest.mark.timeout(240)
def test_classification_goes_on_in_time(servers, topic_prefix, tmp_path, monkeypatch):
    valkey, kafka = servers
    service = Service(kafka.bootstrap_servers, valkey.url, topic_prefix, tmp_path)
    service.create_topics(monkeypatch, partitions=4)
    workers = [service.worker() for _ in range(2)]
    for worker in workers:
        worker.await_ready()
    trickle = Trickle(service)
    schemas = {f"{topic_prefix}classifications": "classification"}
    subscription = Subscription({"bootstrap.servers": kafka.bootstrap_servers}, schemas)
    try:
        trickle.start()
        answered_after_s(subscription, 4)
        workers[0].stop(signal.SIGKILL)
        took_s = {"worker killed": answered_after_s(subscription, 4)}
        valkey.restart()
        took_s["Redis restarted"] = answered_after_s(subscription, 4)
        kafka.restart()
        took_s["Kafka restarted"] = answered_after_s(subscription, 4)
    finally:
        trickle.stopping.set()
        trickle.join(10)
        subscription.close()
        service.close()
    Console().print({fault: round(seconds, 1) for fault, seconds in took_s.items()})
    assert took_s["worker killed"] < TAKEN_OVER_S
    assert max(took_s["Redis restarted"], took_s["Kafka restarted"]) < RESTARTED_S
