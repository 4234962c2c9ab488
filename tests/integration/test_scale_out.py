"""Three workers on three Kafkas and six Valkeys: the group's coordinator and a master die, and nothing is lost.

A failover of Valkey promotes a replica, which may lack what its master answered last: with MISWEEPER_REDIS__REPLICAS=1
nothing is published before a replica has its observations, so every light curve is whole in the end.
"""

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker.accounts.reconcile import Wanted, reconcile
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.config import Settings
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.topics import create_topics
from broker.packets.framings import encode
from tests.chaos.reference import Reference
from tests.support.cluster import await_replicas, replicated, role, until
from tests.support.kafkas import kafkas
from tests.support.service import Service, eventually

PARTITIONS, WORKERS = 6, 3
PER_S, SOME = 300.0, 900  # alerts


@pytest.fixture(scope="module")
def cluster():
    with replicated() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def three():
    with kafkas() as three:
        yield three


class Stream:
    """Alerts that flow until they are told to stop."""

    def __init__(self, service: Service) -> None:
        self._service, self._over = service, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        self._service.send(self._paced())

    def _paced(self) -> Iterator[tuple[str, bytes]]:
        for round_ in count():
            for record in read_alerts(HELDOUT):
                if self._over.is_set():
                    return
                name = f"{record['objectId']}-{round_}"
                yield name, encode(record | {"objectId": name, "alertId": self.sent + 1}, "observation")
                self.sent += 1
                if self.sent % 30 == 0:
                    self._over.wait(30 / PER_S)


@pytest.fixture
def service(cluster, three, tmp_path):
    more = {"MISWEEPER_REDIS__CLUSTER": "true", "MISWEEPER_REDIS__REPLICAS": "1", "MISWEEPER_REDIS__TIMEOUT_S": "2"}
    service = Service(three.bootstrap_servers, cluster[0].url, f"test-{secrets.token_hex(4)}-", tmp_path, more)
    yield service
    service.close()


@pytest.mark.timeout(600)  # where other tests run beside it
def test_the_coordinator_and_a_master_die_under_load_and_every_alert_is_answered_once(
    service, cluster, three, monkeypatch
):
    settings = service.settings(monkeypatch)
    admin = AdminClient(settings.kafka.client())
    create_topics(admin, settings, PARTITIONS, 3)
    for _ in range(WORKERS):
        service.worker()
    for worker in service.workers:
        worker.await_ready(180)
    stream = Stream(service)
    try:
        eventually(lambda: stream.sent > SOME)
        answered(settings, admin)
        coordinator = three.coordinator(settings.kafka.group_id)
        coordinator.kill()
        eventually(lambda so_far=stream.sent: stream.sent > so_far + SOME)
        answered(settings, admin)
        comes_back = threading.Thread(target=coordinator.start)
        comes_back.start()
        master, replica = cluster[0], cluster[3]
        assert (role(master), role(replica)) == (("master", 1), ("slave", 1))
        master.kill()
        until(lambda: role(replica)[0] == "master")
        master.start()  # as whoever runs it would: it is the replica now, which answers wait for
        await_replicas(cluster)
        comes_back.join()
        eventually(lambda so_far=stream.sent: stream.sent > so_far + SOME)
    finally:
        stream.stop()
    answered(settings, admin)
    for worker in service.workers:
        assert worker.stop(signal.SIGTERM) == 0, worker.log()[-3000:]
    counted = reconcile(admin, settings, Wanted(settings.kafka.topics)).summary()
    assert counted["clean"], counted["first"]
    parts = counted["partitions"]
    assert sum(part["published"] for part in parts) == stream.sent
    assert sum(part["gaps"] + part["pending"] + part["doubles"] for part in parts) == 0
    reference = Reference.of(settings, admin)
    assert list(reference.differing_answers(settings, admin)) == []
    assert list(reference.differing_curves(settings)) == []
    assert len(reference.store.logs) > 100


def answered(settings: Settings, admin: AdminClient) -> None:
    """Return once all that was there when this was asked, or a little later, is committed."""
    wanted = {}

    def done() -> bool:
        with suppress(StartupError, KafkaException):  # Kafka does not answer us either
            places = spans.partitions(admin, settings.kafka.topics)
            wanted.update(wanted or spans.newest(admin, places))
            committed = spans.committed(settings.kafka.consumer(), places)
            return all(committed.get(place, 0) >= offset for place, offset in wanted.items())
        return False

    eventually(done, 150)
