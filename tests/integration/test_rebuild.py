"""Redis loses everything in mid-stream: rebuilt from Kafka, the next alert is answered as if it had not."""

from itertools import islice

import numpy as np
import pytest
import redis

from broker import assembly
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.connections import connect_kafka, connect_redis
from broker.embedded import EmbeddedValkey
from broker.kafka.spans import read
from broker.lightcurves.memory import Memory
from broker.lightcurves.rebuild import committed_spans, rebuild, refill
from broker.lightcurves.told import Messages
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from tests.integration.test_service import batch_predictions, run_command
from tests.support.alerts import batch_of, record
from tests.support.service import Service
from tests.support.stores import store_at

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
    worker = service.worker(MISWEEPER_REDIS__REBUILD="wait").await_ready()
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


def test_a_flush_under_a_running_service_is_mended_on_its_own_and_no_alert_is_answered_from_a_stump(
    service, valkey, monkeypatch
):
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    early, middle, late = records[:1000], records[1000:2000], records[2000:]
    send(service, early)
    service.collect(len(early))
    redis.Redis.from_url(valkey.url).flushall()
    send(service, middle)
    service.collect(len(early) + len(middle))
    assert "the store has its light curves again" in worker.log()
    again = rebuilt(service, monkeypatch)  # beside it, once more
    assert (again.added, again.already_there) == (0, len(early) + len(middle))
    send(service, late)
    found = service.collect(ALERTS)
    assert len(found["classifications"]) == len({p.source for p in found["classifications"]}) == ALERTS
    assert not found["dead-letters"]
    answered_as_by_batch_prediction(found["classifications"], records)
    worker.await_ready()


def test_what_was_set_aside_before_a_loss_is_answered_when_it_is_sent_again_after_it(service, valkey, monkeypatch):
    """A rebuild that gave its light curve what nobody had answered made a duplicate of it."""
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    alerts = [record(objectId="wrong", alertId=i + 1, mjd=59_000.0 + i) for i in range(4)]
    client = redis.Redis.from_url(valkey.url)
    client.set(f"{service.prefix}{{plasticc/wrong}}:log", "another's")
    send(service, alerts)
    found = service.collect(len(alerts))
    assert {p.record["reason"] for p in found["dead-letters"]} == {"set_aside"}
    client.flushall()
    send(service, [record(objectId="other")])
    service.collect(len(alerts) + 1)
    assert "the store has its light curves again" in worker.log()
    send(service, alerts)
    found = service.collect(2 * len(alerts) + 1)
    assert len(found["dead-letters"]) == len(alerts)
    said = [p.record["observations"] for p in found["classifications"] if p.record["objectId"] == "wrong"]
    assert said == [1, 2, 3, 4]


def test_a_refill_goes_on_until_nothing_is_left_that_was_committed_meanwhile(service, valkey, monkeypatch):
    service.create_topics(monkeypatch, partitions=3)
    service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), ALERTS // 2))
    early, meanwhile = records[:1000], records[1000:]
    send(service, early)
    service.collect(len(early))
    redis.Redis.from_url(valkey.url).flushall()
    settings = service.settings(monkeypatch)
    late = [meanwhile]

    def alive():
        if late:
            send(service, late.pop())
            service.collect(len(records))  # so it is committed

    def refilled(read_to):
        reader = AlertReader(settings.limits.max_message_bytes)
        store = connect_redis(settings).unwatched()
        return refill(connect_kafka(settings), settings, reader, store, read_to=read_to, alive=alive)

    read_to = refilled({})
    assert sum(read_to.values()) == len(records)
    assert refilled(read_to) == read_to
    assert rebuilt(service, monkeypatch).added == 0, "all is there"


def test_a_refill_ends_although_the_others_commit_on_and_on(service, valkey, monkeypatch):
    service.create_topics(monkeypatch, partitions=1)
    service.worker().await_ready()
    more = iter(islice(read_alerts(HELDOUT), 200))
    sent = 10
    send(service, islice(more, sent))
    service.collect(sent)
    settings = service.settings(monkeypatch)

    def alive():
        nonlocal sent
        assert sent < 100, "it runs after the others"
        send(service, islice(more, 10))
        sent += 10
        service.collect(sent, linger_s=0.1)  # so it is committed

    reader, store = AlertReader(settings.limits.max_message_bytes), connect_redis(settings).unwatched()
    read_to = refill(connect_kafka(settings), settings, reader, store, read_to={}, alive=alive)
    assert sum(read_to.values()) >= 10


def test_an_alert_that_was_written_before_the_loss_was_seen_is_answered_from_its_whole_light_curve(
    redis_url, key_prefix
):
    store = store_at(redis_url, key_prefix)
    store.identities.begin()
    batch = batch_of([record(alertId=i + 1, mjd=59_000.0 + i, flux=100.0 + i) for i in range(5)])
    read_alerts = AlertReader(1_000_000)
    memory = Memory(store, bytes(8), np.zeros(16, np.uint8))

    def remember(part):
        alerts = read_alerts(part).alerts
        return memory.remember(alerts, Messages.of(part, alerts)).observations.tolist()

    last = batch.part(4, 5)
    remember(last)
    committed = [[batch.message(i)] for i in range(4)]
    assert rebuild(committed, read_alerts, store).added == 4
    assert remember(last) == [5]
    assert rebuild([*committed, [batch.message(4)]], read_alerts, store).added == 0
    store.close()


def test_each_refill_asks_kafka_by_a_client_of_its_own(service, monkeypatch):
    """One that lives for months may have lost every connection, and make none anew."""
    service.create_topics(monkeypatch, partitions=3)
    settings, clients = service.settings(monkeypatch), []
    monkeypatch.setattr(assembly, "connect_kafka", lambda of: clients.append(connect_kafka(of)) or clients[-1])
    reader = AlertReader(settings.limits.max_message_bytes)
    for _ in range(2):
        assembly.append_committed(settings, reader, {}, lambda: None)
    assert len({id(client) for client in clients}) == 2
