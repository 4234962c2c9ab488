"""Each topic has a format of its own: what its bytes, ids and keys mean."""

import json
from itertools import count

import pytest

from broker.config import Kafka, Settings
from broker.errors import PoisonMessage, StartupError, TransientError
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.outputs.frames import SPREAD, Frame
from broker.packets import writers
from broker.packets.formats import check_ids, formats_of
from broker.packets.reader import AlertReader
from broker.settings.packets import RUBIN, Packets, Registry, TopicFormat
from schemas.catalogue import load
from tests.support.alerts import container, record, schemaless, wire
from tests.support.columns import Alert, read_alert
from tests.support.registry_server import registry_server
from tests.support.surveys import body_of, real_packets, rubin_sample, rubin_schema

NATIVE = json.dumps({k: v for k, v in load("observation").items() if not k.startswith("__")}).encode()
ELASTICC = real_packets("elasticc")


def settings(*formats: TopicFormat, **registry) -> Settings:
    registry = {"url": None, "cache": None} | registry
    return Settings(packets=Packets(formats=formats), registry=Registry(**registry))


def reader(*formats: TopicFormat, **registry) -> AlertReader:
    return AlertReader(4 * 1024 * 1024, formats_of(settings(*formats, **registry)))


def read(reader: AlertReader, topic: str, value: bytes, key: bytes | None = None) -> Alert:
    return read_alert(Message(topic, 0, 0, 0, key, value), reader)


def said(reader: AlertReader, topic: str, value: bytes, key: bytes | None = None) -> str:
    with pytest.raises(PoisonMessage) as caught:
        read(reader, topic, value, key)
    return caught.value.detail


def rubin(major: int, minor: int) -> bytes:
    """A message of a version, in the wire framing."""
    body = body_of(rubin_schema(major, minor), rubin_sample(major, minor))
    return b"\x00" + (100 * major + minor).to_bytes(4, "big") + body


def test_an_id_means_what_its_topic_says():
    both = reader(RUBIN)
    assert read(both, "lsst-alerts-v11", rubin(11, 1)).survey == "rubin"
    assert read(both, "alerts", wire(record())).survey == "plasticc"
    assert "schema id 1101 is not one of ours" in said(both, "alerts", rubin(11, 1))
    assert "schema id 100 is not known to the package" in said(both, "lsst-alerts-v11", wire(record()))


def test_topics_of_one_batch_are_read_each_in_its_own_way():
    messages = [
        Message("lsst-alerts-v11", 0, 0, 0, None, rubin(11, 1)),
        Message("alerts", 0, 0, 0, None, wire(record())),
        Message("alerts", 0, 1, 0, None, rubin(11, 1)),
        Message("lsst-alerts-v11", 0, 1, 0, None, rubin(11, 0)),
        Message("lsst-alerts-v11", 0, 2, 0, None, wire(record())),
    ]
    decoded = reader(RUBIN)(Batch.of(messages))
    assert decoded.alerts.message.tolist() == [0, 1, 3]
    assert sorted(decoded.poisons) == [2, 4]
    assert [name.split(b"/")[0] for name in decoded.alerts.objects] == [b"rubin", b"plasticc", b"rubin"]


def test_the_first_format_that_names_a_topic_counts():
    first = TopicFormat(topics="alerts", framing="container")
    both = reader(first, TopicFormat(topics="^al"))
    assert "no object container file" in said(both, "alerts", wire(record()))
    assert read(both, "alerts2", wire(record())).alert_id == 7


@pytest.mark.parametrize("topics", ["lsst-alerts-v11", "^lsst-alerts-v[0-9]+", "^lsst-alerts"])
def test_a_topic_whose_ids_nobody_knows_is_a_clear_end_before_any_alert_is_read(topics):
    def check(*formats: TopicFormat, **registry) -> None:
        check_ids(settings(*formats, **registry).model_copy(update={"kafka": Kafka(topics=topics)}))

    check(RUBIN)  # of the package
    check()
    check(RUBIN.model_copy(update={"framing": "container"}), order="registry")
    check(RUBIN, url="http://r", order="registry")
    with pytest.raises(StartupError, match=r"name their schema by id.*REGISTRY__URL or install misweeper\[rubin\]"):
        check(RUBIN, order="registry")
    with pytest.raises(StartupError, match=r"set MISWEEPER_REGISTRY__URL$"):
        check(TopicFormat(topics="^lsst", ids="registry"))


FRAMES = {
    "container": (container(record()), None),
    "wire": (wire(record()), None),
    "schemaless": (schemaless(record()), b"615"),
    "schema_in_key": (schemaless(record()), NATIVE),
}


@pytest.mark.parametrize("framing", ["any", *FRAMES])
@pytest.mark.parametrize("sent", FRAMES)
def test_a_pinned_framing_takes_no_other(framing, sent):
    value, key = FRAMES[sent]
    pinned = reader(TopicFormat(topics="t", framing=framing))
    if framing in ("any", sent) or (framing, sent) == ("schemaless", "schema_in_key"):
        assert read(pinned, "t", value, key).alert_id == 7
    else:
        assert said(pinned, "t", value, key)


def test_a_schema_in_the_key_is_read_and_an_objects_name_is_not_taken_for_one():
    for packet in ELASTICC:
        key = json.dumps(packet.schema, default=str).encode()
        assert read(reader(), "t", packet.body, key).survey == "elasticc"
    assert read(reader(), "t", schemaless(record()), b'{"an": "object"}').alert_id == 7
    assert "no survey read here" in said(
        reader(), "t", schemaless(record()), b'{"type":"record","name":"winter.alert","fields":[]}'
    )


def test_keys_that_differ_in_blanks_alone_are_parsed_once(monkeypatch):
    """As ours do: each schema in sixteen of them."""
    calls = count()
    parse = writers.parsed
    monkeypatch.setattr(writers, "parsed", lambda text: (next(calls), parse(text))[1])
    read_any = reader()
    packets = {json.dumps(one.schema, default=str): one for one in (ELASTICC[0], *real_packets("ztf"))}.values()
    frames = [(Frame("schema_in_key", packet.schema), packet.body) for packet in packets]
    assert len(frames) * SPREAD > writers.REMEMBERED
    for _ in range(2):
        for frame, body in frames:
            keys = {frame.key(str(number).encode()) for number in range(200)}
            assert len(keys) == SPREAD
            for key in sorted(keys):
                assert read(read_any, "t", body, key).alert_id
    assert next(calls) == len(frames)


def test_elasticcs_bodies_are_read_by_the_schema_of_a_file(tmp_path):
    path = tmp_path / "alert.avsc"
    path.write_text(json.dumps(ELASTICC[0].schema, default=str))
    assert path.stat().st_size > 1000
    topic = reader(TopicFormat(topics="^elasticc", schema_file=path))
    assert [read(topic, "elasticc-1", packet.body).alert_id for packet in ELASTICC] == [
        packet.record["alertId"] for packet in ELASTICC
    ]
    assert read(topic, "other", schemaless(record())).alert_id == 7


def test_a_bare_body_whose_schema_nobody_knows_says_what_to_configure():
    assert "MISWEEPER_PACKETS__FORMATS names the topic's schema_file" in said(
        reader(RUBIN), "lsst-alerts-v11", schemaless(record())
    )


@pytest.mark.parametrize("text", [None, "", "{}", '{"type":"record","name":"winter.alert","fields":[]}'])
def test_a_schema_file_that_cannot_be_read_is_a_clear_end(tmp_path, text):
    path = tmp_path / "a.avsc"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StartupError, match=r"a\.avsc has no schema .*mend schema_file of t in MISWEEPER_PACKETS__FORM"):
        reader(TopicFormat(topics="t", schema_file=path))


def test_a_registry_alone_is_enough_and_it_is_asked_in_the_order_that_is_configured(tmp_path):
    topic = TopicFormat(topics="t", ids="registry")
    with registry_server() as server:
        server.schemas |= {1101: json.dumps(rubin_schema(11, 1)).encode(), 5: NATIVE}
        assert read(reader(topic, url=server.url, cache=tmp_path), "t", rubin(11, 1)).survey == "rubin"
        assert read(reader(topic, url=server.url), "t", b"\x00\x00\x00\x00\x05" + schemaless(record())).alert_id == 7
        assert len(server.asked) == 2
        package_first = reader(RUBIN, url=server.url, order=("package", "registry"))
        assert read(package_first, "lsst-alerts", rubin(11, 1)).survey == "rubin"
        assert len(server.asked) == 2
        registry_first = reader(RUBIN, url=server.url)
        assert read(registry_first, "lsst-alerts", rubin(11, 1)).survey == "rubin"
        assert len(server.asked) == 3
    assert read(reader(topic, url=server.url, cache=tmp_path), "t", rubin(11, 1)).survey == "rubin", "kept"
    assert read(reader(RUBIN, url=server.url), "lsst-alerts", rubin(11, 1)).survey == "rubin", "of the package"
    with pytest.raises(TransientError, match="does not answer"):
        read(reader(topic, url=server.url), "t", rubin(11, 1))
    assert reader(topic, url=server.url).survey_of(Message("t", 0, 0, 0, None, rubin(11, 1))) is None


def test_a_cache_in_the_home_of_one_who_has_none_is_a_clear_end():
    with pytest.raises(StartupError, match=r"^~nobody-at-all/schemas: .*; set MISWEEPER_REGISTRY__CACHE to a folder"):
        reader(RUBIN, url="http://registry", cache="~nobody-at-all/schemas")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"topics": "^a(?i)"}, "means different things"),
        ({"topics": "^[0-9"}, "MISWEEPER_PACKETS__FORMATS"),
        ({"topics": "a b"}, "is no topic's name"),
        ({"topics": "a", "framing": "containr"}, "'container'"),
        ({"topics": "a", "ids": "ztf"}, "'rubin'"),
        ({"topics": "a", "schema": "a.avsc"}, "Extra inputs are not permitted"),
        ({}, "Field required"),
    ],
)
def test_a_format_that_cannot_be_is_a_clear_end(monkeypatch, value, said):
    monkeypatch.setenv("MISWEEPER_PACKETS__FORMATS", json.dumps([value]))
    with pytest.raises(StartupError, match=r"^MISWEEPER_PACKETS__FORMATS") as caught:
        Settings.load()
    assert said in str(caught.value)


def test_formats_that_are_no_json_are_a_clear_end(monkeypatch):
    monkeypatch.setenv("MISWEEPER_PACKETS__FORMATS", "ztf=container")
    with pytest.raises(StartupError):
        Settings.load()


@pytest.mark.parametrize("url", ["ftp://a", "registry:8081", "http://", "http://user:sesame@host", "http://h/?a=b"])
def test_an_address_that_is_none_of_a_registry_is_a_clear_end(monkeypatch, url):
    monkeypatch.setenv("MISWEEPER_REGISTRY__URL", url)
    with pytest.raises(StartupError, match=r"^MISWEEPER_REGISTRY__URL: (no|an) address") as caught:
        Settings.load()
    assert "sesame" not in str(caught.value)
