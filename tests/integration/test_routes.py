"""Routes of a running service on a real Kafka: each reader finds what it looks for, and a recount finds every fault."""

import re
import signal
from io import BytesIO
from itertools import islice

import fastavro
import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from broker.accounts.reconcile import Wanted, reconcile
from broker.accounts.reconciliation import sentences
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.config import Settings
from broker.kafka import spans
from broker.kafka.spans import Span
from broker.kafka.subscription import decode, source
from broker.kafka.topics import LARGEST_PACKET
from broker.outputs.messages import Outputs
from broker.packets.framings import encode
from model.taxonomy import CLASS_NAMES
from schemas.catalogue import load
from tests.integration.test_service import run_command
from tests.support import readers
from tests.support.alerts import record
from tests.support.routed import read, verdicts_of
from tests.support.service import Service, eventually
from tests.support.surveys import ADAPTERS, Packet, body_of, real_packets, rubin_sample, rubin_schema

WHERE = "class in {SN Ia, AGN} and probability > 0.5 and observations >= 3"


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    routes = {
        "desc": {"content": "packet", "framing": "container"},
        "fink": {"content": "packet", "framing": "schema_in_key", "where": "anomaly or p(kilonova) > 0.3"},
        "elasticc": {"content": "elasticc", "framing": "schemaless"},
        "bright": {"content": "classification", "framing": "wire", "where": WHERE},
    }
    for name, route in routes.items():
        service.environment |= {
            f"MISWEEPER_OUTPUTS__ROUTES__{name}__{key}".upper(): value
            for key, value in (route | {"topic": f"{topic_prefix}{name}"}).items()
        }
    yield service
    service.close()


def everything(service, settings: Settings, role: str) -> list:
    """All committed messages of one of the service's topics."""
    admin, topic = AdminClient(settings.kafka.client()), f"{service.prefix}{role}"
    places = spans.partitions(admin, [topic])
    first, last = spans.oldest(admin, places), spans.newest(admin, places)
    found = spans.read(settings.kafka.consumer(), [Span(*p, first[p], last[p]) for p in places], 500)
    return [message for some in found for message in some]


def recounted(settings: Settings) -> dict:
    return reconcile(AdminClient(settings.kafka.client()), settings, Wanted(settings.kafka.topics)).summary()


def test_each_alert_is_once_on_each_route_that_takes_it_and_every_reader_finds_its_fields(service, monkeypatch):
    service.create_topics(monkeypatch)
    service.worker().await_ready(180)
    settings = service.settings(monkeypatch)
    records = list(islice(read_alerts(HELDOUT), 1_500))
    messages = [(r["objectId"], encode(r, "observation")) for r in records]
    messages[100:100] = [("615", b"no Avro"), *messages[:5]]
    service.send(messages)
    found = service.collect(1_506, linger_s=0.5)
    sent = {r["alertId"]: r for r in records}
    said = {published.source: published.record for published in found["classifications"]}

    passed_on = everything(service, settings, "desc")
    assert sorted(source(m.headers) for m in passed_on) == sorted(said)
    for message in passed_on:
        got = readers.container(message.value)
        ours = said[source(message.headers)]
        assert (got["alertId"], got["flux"], got["brokerName"]) == (
            ours["alertId"], pytest.approx(sent[ours["alertId"]]["flux"]), "misweeper",
        )  # fmt: skip
        assert sum(c["probability"] for c in got["classifications"]) == 1
        assert readers.skyportal(got, "lsst")["object"] == ours["objectId"] == message.key.decode().split("/")[1]

    odd = {m: readers.schema_in_key(m.key, m.value) for m in everything(service, settings, "fink")}
    wanted = [s for s, r in said.items() if r["anomaly"] or chance(r, "kilonova") > 0.3]
    assert sorted(source(m.headers) for m in odd) == sorted(wanted)
    assert wanted
    assert all(got["alertId"] == said[source(m.headers)]["alertId"] for m, got in odd.items())

    answers = {source(m.headers): decode(m.value, load("elasticc"), bare=True) for m in
               everything(service, settings, "elasticc")}  # fmt: skip
    assert {place: one["alertId"] for place, one in answers.items()} == {s: r["alertId"] for s, r in said.items()}

    bright = {source(m.headers): decode(m.value, load("classification")) for m in
              everything(service, settings, "bright")}  # fmt: skip
    assert bright == {
        place: r for place, r in said.items()
        if best(r)[0] in ("SN Ia", "AGN") and best(r)[1] > 0.5 and r["observations"] >= 3
    }  # fmt: skip
    assert 0 < len(bright) < len(said)

    summary = recounted(settings)
    assert summary["clean"], list(sentences(summary))
    counted = {one["topic"].removeprefix(service.prefix): (one["taken"], one["published"]) for one in summary["routes"]}
    assert counted == {
        "desc": (1_500, 1_500),
        "elasticc": (1_500, 1_500),
        "fink": (len(wanted), len(wanted)),
        "bright": (len(bright), len(bright)),
    }


def test_real_packets_of_every_survey_are_passed_on_to_fastdb_and_skyportal(service, monkeypatch):
    service.environment["MISWEEPER_PACKETS__FORMATS"] = f'[{{"topics": "{service.input}", "ids": "rubin"}}]'
    service.environment |= {f"MISWEEPER_OUTPUTS__ROUTES__{name}__WHERE": "" for name in ("FINK", "BRIGHT")}
    service.create_topics(monkeypatch)
    service.worker().await_ready(180)
    sent = [(survey, one, framed(survey, one)) for survey in ADAPTERS for one in real_packets(survey)]
    moving, sample = rubin_schema(11, 1), rubin_sample(11, 1)
    sample["diaSource"] |= {"ssObjectId": 4242, "diaObjectId": 0}
    declined = Packet("moving", moving, body_of(moving, sample), sample)
    service.send((None, value) for _, _, value in [*sent, ("rubin", declined, wire(1101, declined.body))])
    service.collect(len(sent) + 1, linger_s=0.5)
    settings = service.settings(monkeypatch)

    told = {one["candid"]: one for one in map(readers.container, values(everything(service, settings, "desc")))}
    in_key = [readers.schema_in_key(m.key, m.value) for m in everything(service, settings, "fink")]
    assert {one["candid"]: repr(one) for one in in_key} == {number: repr(one) for number, one in told.items()}
    for survey, packet, _ in [*sent, ("declined", declined, b"")]:
        got = next(one for one in told.values() if repr({n: one.get(n) for n in packet.record}) == repr(packet.record))
        seen = readers.skyportal(got, survey)
        assert seen["object"]
        if survey == "rubin":
            kept = readers.fastdb(got)
            assert kept["object"] == packet.record["diaSource"]["diaObjectId"]
            assert seen["points"]
        if survey == "declined":
            assert got["classifications"] == [{"classId": 300, "probability": 1.0}]
    said = [decode(value, load("elasticc"), bare=True) for value in values(everything(service, settings, "elasticc"))]
    assert len(said) == len(told) == len(sent) + 1
    assert all(sum(c["probability"] for c in one["classifications"]) == 1 for one in said)
    assert len(everything(service, settings, "bright")) == len(sent)
    summary = recounted(settings)
    assert summary["clean"], list(sentences(summary))
    assert (summary["totals"]["published"], summary["totals"]["declined"]) == (len(sent), 1)
    counted = {one["topic"].removeprefix(service.prefix): (one["taken"], one["published"]) for one in summary["routes"]}
    with_declined = (len(sent) + 1, len(sent) + 1)
    assert counted == dict.fromkeys(("desc", "fink", "elasticc"), with_declined) | {"bright": (len(sent), len(sent))}


def test_a_worker_that_is_killed_leaves_every_route_whole(service, monkeypatch):
    service.create_topics(monkeypatch)
    service.environment["MISWEEPER_BATCH__MAX_SIZE"] = "32"
    settings = service.settings(monkeypatch)
    records = list(islice(read_alerts(HELDOUT), 1_500))
    for _ in range(2):
        worker = service.worker().await_ready(180)
        before = len(everything(service, settings, "elasticc"))
        part, records = records[:750], records[750:]
        service.send((r["objectId"], encode(r, "observation")) for r in part)
        eventually(lambda before=before: len(everything(service, settings, "elasticc")) > before)
        worker.stop(signal.SIGKILL)
    service.worker().await_ready(180)
    service.collect(1_500, linger_s=0.5)
    summary = recounted(settings)
    assert summary["clean"], list(sentences(summary))
    assert summary["totals"]["published"] == 1_500
    assert all(one["taken"] == one["published"] > 0 for one in summary["routes"])


def values(messages: list) -> list[bytes]:
    """Their bytes."""
    return [message.value for message in messages]


def wire(number: int, body: bytes) -> bytes:
    """Confluent's framing."""
    return b"\0" + number.to_bytes(4, "big") + body


def framed(survey: str, packet: Packet) -> bytes:
    """A real packet as its survey sends it."""
    if survey == "rubin":
        version = re.search(r"v([0-9]+)_([0-9]+)", packet.schema["name"])
        return wire(100 * int(version[1]) + int(version[2]), packet.body)
    stream = BytesIO()
    fastavro.writer(stream, packet.schema, [packet.record])
    return stream.getvalue()


def best(record: dict) -> tuple[str, float]:
    """The most probable class and its probability."""
    top = max(record["classifications"], key=lambda c: c["probability"])
    return CLASS_NAMES[top["classId"]], top["probability"]


def chance(record: dict, name: str) -> float:
    """A class's probability."""
    (found,) = (c["probability"] for c in record["classifications"] if CLASS_NAMES[c["classId"]] == name)
    return found


class Written:
    """A service's topics, written by hand."""

    def __init__(self, service, monkeypatch, where=""):
        service.environment.clear()
        service.environment |= {
            "MISWEEPER_OUTPUTS__ROUTES__DESC__TOPIC": f"{service.prefix}desc",
            "MISWEEPER_OUTPUTS__ROUTES__DESC__CONTENT": "packet",
            "MISWEEPER_OUTPUTS__ROUTES__DESC__WHERE": where,
        }
        service.create_topics(monkeypatch, 1)
        self.service, self.settings = service, service.settings(monkeypatch)
        self.route = f"{service.prefix}desc"
        self.producer = Producer(self.settings.kafka.client())

    def alerts(self, count):
        for n in range(count):
            self.producer.produce(self.service.input, encode(record(alertId=n + 1), "observation"))
        self.producer.flush()
        self.commit(count)

    def commit(self, offset):
        consumer = Consumer({**self.settings.kafka.consumer(), "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(self.service.input, 0, offset)], asynchronous=False)
        consumer.close()

    def answer(self, count, without=(), twice=(), routes=True):
        """What the service would publish of the first `count` alerts, but for faults on the route."""
        outputs = self.settings.outputs if routes else self.settings.outputs.model_copy(update={"routes": {}})
        batch, decoded = read([record(alertId=n + 1) for n in range(count)])
        batch.places[:] = [(self.service.input, 0)]
        made = Outputs(outputs, "none", "d" * 64, "balanced", "0").published(
            batch, decoded, np.arange(count), verdicts_of(count), np.arange(1, count + 1), 1, 1
        )
        for one in made:
            offset = int(dict(one.headers)["source_offset"])
            times = 1 + (one.topic == self.route and offset in twice) - (one.topic == self.route and offset in without)
            for _ in range(times):
                self.producer.produce(one.topic, one.value, one.key, headers=one.headers)
        self.producer.flush()


def test_what_is_missing_double_or_stray_on_a_route_is_found(service, monkeypatch):
    written = Written(service, monkeypatch, "observations >= 5")
    written.alerts(20)
    written.answer(20, without=(6, 9), twice=(7,))
    headers = {"source_topic": service.input, "source_partition": "0"}
    for offset in (b"1", b"25"):  # not taken; answered by nothing, and beyond what is counted
        written.producer.produce(written.route, b"any", headers=[*headers.items(), ("source_offset", offset)])
    written.producer.produce(written.route, b"nameless")
    written.producer.flush()
    found = recounted(written.settings)
    assert found["defects"] == {
        f"not on route {written.route}": 2,
        f"twice on route {written.route}": 1,
        f"on route {written.route} though not taken": 1,
    }
    assert found["nameless"] == 1
    assert found["routes"] == [{"topic": written.route, "taken": 16, "published": 15}]
    first = {(one["defect"].split()[0], one["offset"]): one["found"] for one in found["first"]}
    assert set(first) == {("not", 6), ("not", 9), ("twice", 7), ("on", 1)}
    assert first["not", 6].endswith("; taken, answered")
    assert first["twice", 7].endswith("; taken, there, again, answered")
    assert first["on", 1].endswith("; there, answered")
    told = list(sentences(found))
    assert f"route {written.route}: takes 16 alerts, has 15" in told
    assert told[-1] == "not every offset has one fate"


def test_what_was_published_before_there_was_a_route_is_not_missed_on_it(service, monkeypatch):
    written = Written(service, monkeypatch)
    written.alerts(10)
    written.answer(10, routes=False)
    found = recounted(written.settings)
    assert found["clean"]
    assert found["routes"] == [{"topic": written.route, "taken": 0, "published": 0}]


def test_a_stray_without_any_classification_is_found(service, monkeypatch):
    written = Written(service, monkeypatch)
    written.alerts(3)
    written.answer(2)
    headers = [("source_topic", service.input), ("source_partition", "0"), ("source_offset", "2")]
    written.producer.produce(written.route, b"any", headers=headers)
    written.producer.flush()
    defects = recounted(written.settings)["defects"]
    assert defects == {"gap": 1, f"on route {written.route} without its classification": 1}


def test_topics_of_routes_are_made_with_room_for_packets_and_looked_for(service, monkeypatch):
    settings = service.settings(monkeypatch)
    done = run_command("check", environment=service.variables())
    assert done.returncode == 2
    assert f"{service.prefix}desc" in done.stdout.replace("\n", "")
    done = run_command("topics", "create", "--partitions", "1", environment=service.variables())
    assert done.returncode == 0, done.stderr
    admin = AdminClient(settings.kafka.client())
    eventually(lambda: set(settings.outputs.topics) <= set(admin.list_topics(timeout=10).topics))
    wanted = ConfigResource(ConfigResource.Type.TOPIC, f"{service.prefix}desc")
    (config,) = [f.result(10) for f in admin.describe_configs([wanted]).values()]
    assert config["max.message.bytes"].value == str(LARGEST_PACKET)


def test_a_topic_without_room_for_packets_is_refused_before_the_first_of_them(service, monkeypatch):
    service.create_topics(monkeypatch)
    admin = AdminClient(service.settings(monkeypatch).kafka.client())
    topic = f"{service.prefix}desc"
    entry = ConfigEntry("max.message.bytes", "1048588", incremental_operation=AlterConfigOpType.SET)
    narrow = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([narrow]).values():
        future.result(10)
    done = run_command("check", environment=service.variables())
    assert done.returncode == 2
    told = f"topic {topic} takes 1,048,588 bytes at once, and a packet that is passed on may have more"
    assert told in " ".join(done.stdout.split())


def test_check_shows_routes_and_says_where_a_condition_is_wrong(service):
    shown = run_command("check", environment=service.variables()).stdout
    assert "MISWEEPER_OUTPUTS__ROUTES" in shown
    assert "kilonova" in shown
    wrong = {"MISWEEPER_OUTPUTS__ROUTES__FINK__WHERE": "class in {TDX}"}
    for command in ("check", "run"):
        done = run_command(command, environment=service.variables() | wrong)
        assert done.returncode == 2
        assert "MISWEEPER_OUTPUTS__ROUTES__FINK__WHERE is 'class in {TDX}': at character 11" in done.stderr
        assert "Traceback" not in done.stderr
