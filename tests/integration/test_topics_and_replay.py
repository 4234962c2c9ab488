"""Topics made on a real Kafka, and a file replayed into one."""

from itertools import islice

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from typer.testing import CliRunner

from broker.commands.demo import HELDOUT
from broker.commands.main import app
from broker.commands.replay import read_alerts, send
from broker.config import Settings
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.kafka.topics import LARGEST_LETTER, Made, create_topics, missing_topics
from broker.packets.reader import AlertReader
from broker.replays.native import native_packets
from tests.support.service import eventually


@pytest.fixture
def settings(kafka, topic_prefix, monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("MISWEEPER_KAFKA__TOPICS", f"{topic_prefix}alerts,^{topic_prefix}ztf.*")
    for name in ("classifications", "anomalies", "dead_letters"):
        monkeypatch.setenv(f"MISWEEPER_OUTPUTS__{name}".upper(), f"{topic_prefix}{name}")
    return Settings.load()


@pytest.fixture
def admin(settings):
    return AdminClient(settings.kafka.client())


def test_topics_are_made_once_and_what_exists_is_left_alone(settings, admin):
    names = [settings.kafka.topics[0], *settings.outputs.topics]
    assert missing_topics(admin, names) == names
    assert create_topics(admin, settings, 3, 1) == Made(names, {})
    assert create_topics(admin, settings, 5, 1) == Made([], dict.fromkeys(names, 3))
    assert missing_topics(admin, [*names, "never-made"]) == ["never-made"]
    topics = admin.list_topics(timeout=10).topics
    assert {len(topics[name].partitions) for name in names} == {3}
    letters = ConfigResource(ConfigResource.Type.TOPIC, settings.outputs.dead_letters)
    (config,) = [f.result(10) for f in admin.describe_configs([letters]).values()]
    assert config["max.message.bytes"].value == str(LARGEST_LETTER)


def test_partitions_are_asked_for_until_the_servers_know_who_leads_them(settings, admin, topic_prefix):
    """A server hears of a topic before it leads its partitions; a client that asks meanwhile is refused."""
    for number in range(10):
        name = f"{topic_prefix}just-made-{number}"
        admin.create_topics([NewTopic(name, num_partitions=12)])[name].result(30)
        places = [(name, partition) for partition in range(12)]
        assert spans.at_time(AdminClient(settings.kafka.client()), places, 0) == dict.fromkeys(places, 0)


def test_the_command_says_what_it_made_what_was_there_and_what_differs(settings, admin):
    def told(*options: str) -> list[str]:
        done = CliRunner().invoke(app, ["topics", "create", *options])
        assert done.exit_code == 0, done.output
        return [line.partition(": ")[2] for line in done.output.splitlines() if "expression" not in line]

    assert told("--partitions", "2") == ["created, partitions: 2"] * 4
    assert told("--partitions", "2") == ["was there already, partitions: 2"] * 4
    more = told("--partitions", "3")
    assert all(line.startswith("was there already, partitions: 2, not 3; --grow adds the others") for line in more)
    fewer = told("--partitions", "1")
    assert all("2, not 1; Kafka takes none away" in line for line in fewer)
    assert told("--partitions", "3", "--grow") == ["was there already with partitions: 2; it has 3 now"] * 4
    eventually(lambda: told("--partitions", "3") == ["was there already, partitions: 3"] * 4)


def test_the_command_leaves_regular_expressions_to_others(settings, admin, monkeypatch, topic_prefix):
    monkeypatch.setenv("MISWEEPER_KAFKA__TOPICS", f"^{topic_prefix}never-.*")
    done = CliRunner().invoke(app, ["topics", "create"])
    assert f"^{topic_prefix}never-.*: topics of a regular expression are for others to create" in done.output


def test_what_kafka_refuses_is_said(settings, admin):
    with pytest.raises(StartupError, match=r"cannot be created: .*replication factor"):
        create_topics(admin, settings, 1, 3)
    with pytest.raises(StartupError, match="0 partitions in 1 copies cannot be"):
        create_topics(admin, settings, 0, 1)


def test_a_replayed_file_arrives_whole_and_in_order(settings, admin):
    create_topics(admin, settings, 1, 1)
    topic = settings.kafka.topics[0]
    sent = list(islice(read_alerts(HELDOUT), 2000))
    producer = Producer({**settings.kafka.client(), "enable.idempotence": True})
    assert send(((topic, packet) for packet in native_packets(sent)), producer) == len(sent)
    consumer = Consumer({**settings.kafka.client(), "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    messages = []
    while len(messages) < len(sent):
        messages += consumer.consume(1000, 1.0)
    consumer.close()
    read = [Message(topic, 0, m.offset(), 0, m.key(), m.value()) for m in messages]
    decoded = AlertReader(1_000_000)(Batch.of(read))
    assert not decoded.poisons
    alerts = decoded.alerts
    got = zip(alerts.alert_ids.tolist(), alerts.objects, alerts.own["mjd_tai"].tolist(), strict=True)
    assert list(got) == [(s["alertId"], f"{s['survey']}/{s['objectId']}".encode(), s["mjd"]) for s in sent]
    assert {m.key().decode() for m in messages} == {s["objectId"] for s in sent}


def test_a_replay_without_its_topic_says_so(settings):
    producer = Producer({**settings.kafka.client(), "topic.metadata.propagation.max.ms": 100})
    with pytest.raises(StartupError, match=r"Unknown topic or partition\); does the topic exist"):
        send((("never-made", packet) for packet in native_packets(islice(read_alerts(HELDOUT), 5))), producer)
