"""What is told where Kafka cannot be reached or refuses: the cause, on a real Kafka with users and rights."""

import secrets
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AclOperation, AdminClient, ResourceType

from broker.errors import StartupError, TooLargeError, TransientError
from broker.kafka import sink as sinks
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from broker.kafka.spans import partitions
from broker.kafka.topics import missing_topics
from tests.support.secured import NOWHERE, SecuredKafka
from tests.support.servers import Topics, running

USERS = ("complete", "reads_nothing", "writes_nothing", "joins_nothing", "transacts_nothing")
LACKS = {
    "reads_nothing": (ResourceType.TOPIC, AclOperation.READ),
    "writes_nothing": (ResourceType.TOPIC, AclOperation.WRITE),
    "joins_nothing": (ResourceType.GROUP, AclOperation.READ),
    "transacts_nothing": (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
}


@pytest.fixture(scope="module")
def server():
    with running(SecuredKafka(USERS)) as server:
        yield server


@pytest.fixture
def prefix():
    return f"test-{secrets.token_hex(6)}-"


@pytest.fixture
def topics(server, prefix):
    """The input with one message, and the output."""
    names = Topics(server.bootstrap_servers, prefix)("alerts", "outputs")
    producer = Producer({"bootstrap.servers": server.bootstrap_servers})
    producer.produce(names[0], b"0")
    producer.flush(10)
    return names


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sinks, "GIVE_UP_S", 3.0)


def told(source, count=1, seconds=30.0):
    """The first error that reading raises; "" where so many messages come."""
    deadline = time.monotonic() + seconds
    try:
        while count > 0:
            assert time.monotonic() < deadline, "not a word"
            count -= len(source.read(10, 0.1))
    except TransientError as error:
        return str(error)
    return ""


def reading(config, topic, group):
    return KafkaSource({**config, "group.id": group, "session.timeout.ms": 6000}, [topic], lambda _: None)


def test_a_worker_with_all_rights_reads_and_commits(server, topics, prefix):
    config = server.allow("complete", prefix)
    source = reading(config, topics[0], f"{prefix}group")
    batch = Batch.of([])
    while not len(batch):
        batch = source.read(10, 0.1)
    KafkaSink(config, f"{prefix}worker").commit([Record(topics[1], None, b"answer", [])], batch)
    source.close()


@pytest.mark.parametrize(
    ("user", "words"),
    [("reads_nothing", "Topic authorization failed"), ("joins_nothing", "Group authorization failed")],
)
def test_a_missing_right_to_read_is_told(server, topics, prefix, user, words):
    source = reading(server.allow(user, prefix, LACKS[user]), topics[0], f"{prefix}group")
    assert words in told(source)
    source.back_off(0.2)
    assert words in told(source), "and again, not once"
    source.close()


def test_a_missing_right_to_write_is_told_and_not_what_follows_from_it(server, topics, prefix):
    config = server.allow("writes_nothing", prefix, LACKS["writes_nothing"])
    source = reading({"bootstrap.servers": server.bootstrap_servers}, topics[0], f"{prefix}group")
    batch = Batch.of([])
    while not len(batch):
        batch = source.read(10, 0.1)
    sink = KafkaSink(config, f"{prefix}worker")
    for _ in range(2):
        with pytest.raises(TransientError, match="Topic authorization failed") as raised:
            sink.commit([Record(topics[1], None, b"answer", [])] * 3, batch)
        assert topics[1] in str(raised.value)
    source.close()


def test_a_missing_right_to_transact_is_told(server, topics, prefix):
    config = server.allow("transacts_nothing", prefix, LACKS["transacts_nothing"])
    with pytest.raises(StartupError, match="Transactional Id authorization failed"):
        KafkaSink(config, f"{prefix}worker")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda _: {"bootstrap.servers": f"{NOWHERE}:9092"}, f"resolve '{NOWHERE}:9092'"),
        (lambda server: {"bootstrap.servers": server.lost_servers}, f"resolve '{NOWHERE}:"),
        (lambda _: {"bootstrap.servers": "127.0.0.1:1"}, "Connection refused"),
        (lambda server: {"bootstrap.servers": server.bootstrap_servers, "security.protocol": "ssl"}, "SSL"),
        (lambda server: server.login("complete", "wrong"), "Authentication failed"),
    ],
    ids=["name", "advertised name", "refused", "tls", "password"],
)
def test_what_keeps_a_worker_from_kafka_is_told_by_its_cause(server, topics, prefix, config, words):
    config = {**config(server), "log_level": 2, "socket.connection.setup.timeout.ms": 3000}
    source = reading(config, topics[0], f"{prefix}group")
    assert words in told(source)
    source.close()
    with pytest.raises(StartupError) as raised:
        KafkaSink(config, f"{prefix}worker")
    assert words in str(raised.value)


def test_a_topic_that_may_not_be_known_is_not_to_be_created(server, topics, prefix):
    admin = AdminClient(server.login("complete"))
    with pytest.raises(StartupError, match=r"cannot be read .*authorization failed.*rights"):
        partitions(admin, [topics[0]])
    with pytest.raises(Exception, match=rf"topic {topics[0]}: .*authorization failed"):
        missing_topics(admin, topics)


def test_an_output_topic_that_is_too_small_or_compact_is_named_with_the_remedy(kafka, topic_names, topic_prefix):
    (small,) = topic_names("small", max_message_bytes="1000")
    (compact,) = topic_names("compact", cleanup_policy="compact")
    (alerts,) = topic_names("alerts")
    sender = Producer({"bootstrap.servers": kafka})
    sender.produce(alerts, b"0")
    sender.flush(10)
    source = reading({"bootstrap.servers": kafka}, alerts, f"{topic_prefix}group")
    batch = Batch.of([])
    while not len(batch):
        batch = source.read(10, 0.1)
    sink = KafkaSink({"bootstrap.servers": kafka}, topic_prefix)
    with pytest.raises(
        TooLargeError, match=f"topic {small} takes no record of 5000 bytes; raise its max.message.bytes"
    ):
        sink.commit([Record(small, None, secrets.token_bytes(5000), [])], batch)
    with pytest.raises(TransientError, match=f"topic {compact} refuses a record .*cleanup.policy to delete"):
        sink.commit([Record(compact, None, b"no key", [])], batch)
    sink.commit([Record(compact, b"key", b"a key", [])], batch)
    source.close()
