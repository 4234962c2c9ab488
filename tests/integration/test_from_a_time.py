"""A new group that begins at a time, and a night once more: on a real Kafka, with the service itself."""

import sys

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from broker.kafka import spans
from tests.integration.test_service import run_command
from tests.support.alerts import record, wire
from tests.support.service import Service, eventually

BEFORE_MS, AFTER_MS = 1_500_000_000_000, 1_700_000_000_000
RUN = (sys.executable, "-m", "broker.commands.main", "run")
PARTITIONS = 3


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    made = Service(kafka, redis_url, topic_prefix, tmp_path)
    yield made
    made.close()


def send(service, ids, timestamp_ms, topic=None, partition=None):
    producer = Producer({"bootstrap.servers": service.kafka})
    for i in ids:
        where = i % PARTITIONS if partition is None else partition
        value = wire(record(alertId=i, objectId=f"o{i}"))
        headers = [("number", str(i).encode())]
        producer.produce(topic or service.input, value, f"o{i}", where, timestamp=timestamp_ms, headers=headers)
    assert producer.flush(30) == 0


def answered(found):
    return sorted(one.record["alertId"] for one in found["classifications"])


def stands(service, group=None):
    """Where a group stands, by partition of the input."""
    config = {"bootstrap.servers": service.kafka, "group.id": group or f"{service.prefix}group"}
    return spans.committed(config, [(service.input, i) for i in range(PARTITIONS)])


def test_a_new_group_begins_at_a_time_and_reads_what_is_added_later_from_its_beginning(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=PARTITIONS)
    send(service, range(1, 10), BEFORE_MS)
    send(service, range(10, 20), AFTER_MS)
    service.command = (*RUN, "--from", "2020-01-01")
    worker = service.worker(MISWEEPER_KAFKA__START="latest").await_ready(120)
    assert answered(service.collect(10)) == list(range(10, 20))
    admin = AdminClient({"bootstrap.servers": service.kafka})
    admin.create_partitions([NewPartitions(service.input, PARTITIONS + 1)])[service.input].result(30)
    eventually(lambda: len(admin.list_topics(service.input, 10).topics[service.input].partitions) == PARTITIONS + 1)
    send(service, [20], AFTER_MS, partition=PARTITIONS)
    assert answered(service.collect(11)) == list(range(10, 21))
    again = run_command("run", "--from", "2020-01-01", environment=service.variables())
    assert again.returncode == 2
    assert f"the group {service.prefix}group has begun already" in again.stderr
    assert "another name in MISWEEPER_KAFKA__GROUP_ID begins anew" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert worker.stop() == 0
    service.command = RUN
    service.worker().await_ready(120)
    send(service, [21], AFTER_MS)
    assert answered(service.collect(12)) == list(range(10, 22)), "without a time it goes on from there"


def test_a_time_that_is_no_time_or_yet_to_come_is_said(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=1)
    for begin, said in (("2999-01-01", "2999-01-01 00:00:00 is yet to come"), ("soon", "'soon' is no time")):
        done = run_command("run", "--from", begin, environment=service.variables())
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_night_goes_into_another_topic_as_it_was(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=PARTITIONS)
    again = f"{service.prefix}again"
    admin = AdminClient({"bootstrap.servers": service.kafka})
    admin.create_topics([NewTopic(again, num_partitions=2)])[again].result(30)
    send(service, range(1, 10), BEFORE_MS)
    send(service, range(10, 20), AFTER_MS)
    send(service, range(20, 30), AFTER_MS + 86_400_000)
    done = run_command("replay", "--night", "2023-11-14", "--topic", again, environment=service.variables())
    assert (done.returncode, done.stdout) == (0, f"10 alerts sent to {again}; nothing is committed\n"), done.stderr
    assert stands(service) == {}
    consumer = Consumer({"bootstrap.servers": service.kafka, "group.id": again})
    consumer.assign([TopicPartition(again, i, 0) for i in range(2)])
    messages = []
    while len(messages) < 10:
        messages += consumer.consume(10, 1.0)
    consumer.close()
    for message in messages:
        assert message.error() is None
        i = int(message.headers()[0][1])
        assert message.value() == wire(record(alertId=i, objectId=f"o{i}"))
        assert (message.key(), message.timestamp()[1]) == (f"o{i}".encode(), AFTER_MS)
        assert message.partition() == i % PARTITIONS % 2
    assert sorted(int(m.headers()[0][1]) for m in messages) == list(range(10, 20))


@pytest.mark.parametrize(
    ("topic", "said"),
    [("alerts", "would be replayed into itself"), ("classifications", "is what the service publishes to")],
)
def test_a_night_goes_neither_into_itself_nor_into_an_output(service, monkeypatch, topic, said):
    service.create_topics(monkeypatch, partitions=1)
    name = f"{service.prefix}{topic}"
    done = run_command("replay", "--night", "2023-11-14", "--topic", name, environment=service.variables())
    assert done.returncode == 2
    assert f"{name} {said}" in done.stderr


def test_a_group_of_its_own_begins_with_a_night_and_the_services_stays_as_it_is(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=PARTITIONS)
    send(service, range(1, 10), BEFORE_MS)
    send(service, range(10, 13), AFTER_MS)
    own = f"{service.prefix}group"
    trial = f"{service.prefix}trial"
    refused = run_command("replay", "--night", "2023-11-14", "--group", own, environment=service.variables())
    assert refused.returncode == 2
    assert f"{own} is the service's own group" in refused.stderr
    done = run_command("replay", "--night", "2023-11-14", "--group", trial, environment=service.variables())
    assert done.returncode == 0, done.stderr
    assert f"the group {trial} begins with 2023-11-14 12:00:00 in 3 partitions" in done.stdout
    assert stands(service) == {}
    assert stands(service, trial) == {(service.input, i): 3 for i in range(PARTITIONS)}
    twice = run_command("replay", "--night", "2023-11-14", "--group", trial, environment=service.variables())
    assert twice.returncode == 2
    assert "has begun already" in twice.stderr


def test_a_group_that_has_workers_does_not_begin_anew(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=PARTITIONS)
    trial = f"{service.prefix}trial"
    member = Consumer({"bootstrap.servers": service.kafka, "group.id": trial, "enable.auto.commit": False})
    member.subscribe([service.input])
    eventually(lambda: member.consume(1, 0.1) or member.assignment())
    done = run_command("replay", "--night", "2023-11-14", "--group", trial, environment=service.variables())
    member.close()
    assert done.returncode == 2
    assert f"the group {trial} has workers; stop them" in done.stderr
