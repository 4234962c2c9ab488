"""Framings told apart, and what bytes get that are none of them."""

import gzip

import pytest

from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.packets.framings import encode
from broker.packets.ids import our_schemas
from broker.packets.reader import AlertReader
from broker.surveys.known import survey_named
from schemas.catalogue import available, confluent_id
from tests.support.alerts import FRAMINGS, container, record, schemaless, wire
from tests.support.columns import Alert, read_alert
from tests.support.hostile import history, zigzag

LIMIT = 4 * 1024 * 1024


READ = AlertReader(LIMIT)


def alert(value: bytes | None) -> Alert:
    return read_alert(Message("alerts", 0, 0, 0, value=value), READ)


def reason(value: bytes | None) -> Reason:
    with pytest.raises(PoisonMessage) as caught:
        alert(value)
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_gives_the_same_alert(name):
    assert alert(FRAMINGS[name](record())) == alert(wire(record()))


@pytest.mark.parametrize("alert_id", [1, 39, 40, 64, 79, 128, 2**31, 2**62, 2**63 - 1])
def test_framings_are_never_mistaken_whatever_the_alert_id(alert_id):
    assert alert(schemaless(record(alertId=alert_id))).alert_id == alert_id


def test_every_version_of_the_native_alert_is_read_by_its_id():
    ids = {confluent_id(name, version) for name, version in available() if name == "observation"}
    assert set(our_schemas()) == ids


def test_our_own_framing():
    assert encode(record(), "observation")[:5] == b"\x00\x00\x00\x00\x64"


@pytest.mark.parametrize("value", [None, b""])
def test_nothing(value):
    assert reason(value) is Reason.EMPTY


@pytest.mark.parametrize("value", [b"\x02hello, this is no Avro", b'{"alertId": 7}', b"\x00", b"\x00\x00", b"Ob", b"O"])
def test_no_avro(value):
    assert reason(value) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


def test_fifty_megabytes_of_noise():
    assert reason(b"\x07" * 50_000_000) is Reason.TOO_LARGE


def test_a_body_is_bounded_within_any_message():
    assert reason(history(survey_named("misweeper.Observation").max_body_bytes // 19 + 1)) is Reason.TOO_LARGE


def test_a_length_prefix_of_two_to_the_forty():
    assert reason(zigzag(7) + zigzag(2**40) + b"abc") is Reason.LENGTH_BOMB
    assert reason(wire(record())[:5] + zigzag(7) + zigzag(2**40)) is Reason.LENGTH_BOMB


def test_a_negative_length():
    assert reason(zigzag(7) + zigzag(-5) + b"abcdefgh") is Reason.LENGTH_BOMB


@pytest.mark.parametrize("cut", [3, 6, 20, 40, -1])
def test_a_message_cut_short(cut):
    assert reason(wire(record())[:cut]) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


@pytest.mark.parametrize("name", ["wire", "schemaless"])
def test_bytes_left_over(name):
    assert reason(FRAMINGS[name](record()) + b"\x00") is Reason.NOT_AVRO


def test_text_that_is_not_utf8():
    assert reason(zigzag(7) + zigzag(3) + b"\xff\xfe\xfd" + schemaless(record())[5:]) is Reason.INVALID_FIELD


def test_an_unknown_schema_id():
    assert reason(b"\x00\x00\x00\x03\xe8" + schemaless(record())) is Reason.UNKNOWN_SCHEMA


def test_a_container_of_another_schema():
    other = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "long"}]}
    assert reason(container({"a": 1}, schema=other)) is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize(
    ("value", "looks_like"),
    [
        (b'{"alertId": 7, "objectId": "615"}', "JSON"),
        (b'<?xml version="1.0"?><voe:VOEvent ivorn="ivo://x"/>', "VOEvent"),
        (gzip.compress(wire(record()), mtime=0), "gzip"),
        (b"an alert, but in words", "text"),
    ],
)
def test_what_somebody_else_sends_is_told_by_its_name(value, looks_like):
    with pytest.raises(PoisonMessage, match=f"look like .*{looks_like}") as caught:
        alert(value)
    assert caught.value.reason is Reason.NOT_AVRO
