"""Law 10, and what bad input gets: a PoisonMessage with a reason, little memory, little time."""

import json
import time
import tracemalloc
import zlib

import pytest

from broker.adapters import native
from broker.codec import MAX_INFLATED, Framing, decode
from broker.errors import PoisonMessage, Reason
from broker.registry import native_registry
from schemas.catalogue import load
from tests.support.alerts import FRAMINGS, container, packets, record, schemaless, wire

REGISTRY = native_registry()
LIMIT = 4 * 1024 * 1024


def zigzag(number: int) -> bytes:
    value = (number << 1) ^ (number >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def reason(value: bytes | None) -> Reason:
    """Why a value is poison; fails where it takes much memory or time to find out."""
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(PoisonMessage) as caught:
        native.adapt(decode(value, REGISTRY, LIMIT).record)
    seconds, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * MAX_INFLATED
    assert seconds < 1.0
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_gives_the_same_packet(name):
    packet = decode(FRAMINGS[name](record()), REGISTRY, LIMIT)
    assert packet.record == decode(wire(record()), REGISTRY, LIMIT).record
    assert packet.schema_name == "misweeper.Observation"
    assert packet.framing == {"wire": Framing.WIRE, "schemaless": Framing.SCHEMALESS}.get(name, Framing.CONTAINER)


@pytest.mark.parametrize("alert_id", [1, 39, 40, 64, 2**31, 2**62])
def test_framings_are_never_mistaken_whatever_the_alert_id(alert_id):
    body = schemaless(record(alertId=alert_id))
    assert decode(body, REGISTRY, LIMIT).framing is Framing.SCHEMALESS


def test_nothing_and_noise():
    assert reason(None) is Reason.EMPTY
    assert reason(b"") is Reason.EMPTY
    assert reason(b"\x02hello, this is no Avro") in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}
    assert reason(b'{"alertId": 7}') in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


def test_fifty_megabytes_of_noise():
    assert reason(b"\x07" * 50_000_000) is Reason.TOO_LARGE


def test_a_length_prefix_of_two_to_the_forty():
    assert reason(zigzag(7) + zigzag(2**40) + b"abc") is Reason.LENGTH_BOMB
    assert reason(wire(record())[:5] + zigzag(7) + zigzag(2**40)) is Reason.LENGTH_BOMB
    assert reason(b"Obj\x01" + zigzag(1) + zigzag(2**40)) is Reason.LENGTH_BOMB
    assert reason(b"Obj\x01" + zigzag(2**40)) is Reason.LENGTH_BOMB


def test_a_history_that_claims_two_to_the_forty_observations():
    assert reason(schemaless(record())[:-1] + zigzag(2**40) + b"\x00" * 100) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


def test_a_negative_length():
    assert reason(zigzag(7) + zigzag(-5) + b"abcdefgh") in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


@pytest.mark.parametrize("cut", [3, 6, 20, 40, -1])
def test_a_message_cut_short(cut):
    assert reason(wire(record())[:cut]) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB, Reason.UNKNOWN_SCHEMA}


def test_bytes_left_over():
    assert reason(wire(record()) + b"\x00") is Reason.NOT_AVRO


def test_an_unknown_schema_id():
    assert reason(b"\x00\x00\x00\x03\xe8" + schemaless(record())) is Reason.UNKNOWN_SCHEMA


def test_a_container_of_another_schema():
    other = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "long"}]}
    assert reason(container({"a": 1}, schema=other)) is Reason.UNKNOWN_SCHEMA


def test_a_container_with_two_alerts():
    assert reason(container(record(), copies=2)) is Reason.NOT_AVRO


def with_block(codec: bytes, block: bytes) -> bytes:
    """A container whose one block is given."""
    text = json.dumps(load("observation")).encode()
    header = b"Obj\x01" + zigzag(2)
    for key, value in ((b"avro.schema", text), (b"avro.codec", codec)):
        header += zigzag(len(key)) + key + zigzag(len(value)) + value
    sync = b"0123456789abcdef"
    return header + zigzag(0) + sync + zigzag(1) + zigzag(len(block)) + block + sync


def test_a_deflate_bomb():
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeezer.compress(bytes(100_000_000)) + squeezer.flush()
    assert reason(with_block(b"deflate", bomb)) is Reason.LENGTH_BOMB


def test_a_snappy_bomb():
    assert reason(with_block(b"snappy", b"\xff\xff\xff\xff\x0f" + b"\x00" * 20)) is Reason.LENGTH_BOMB


def test_a_codec_that_is_not_read():
    assert reason(with_block(b"bzip2", b"x")) is Reason.NOT_AVRO


def test_a_container_schema_nested_beyond_reason():
    text = b'{"type":' * 50_000
    header = b"Obj\x01" + zigzag(1) + zigzag(11) + b"avro.schema" + zigzag(len(text)) + text + zigzag(0)
    assert reason(header + b"0" * 16) is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flux", float("nan")),
        ("flux", float("inf")),
        ("fluxErr", float("nan")),
        ("fluxErr", -1.0),
        ("fluxErr", 0.0),
        ("fluxErr", float("inf")),
        ("mjd", 0.0),
        ("mjd", -1.0),
        ("mjd", float("nan")),
        ("mjd", 2_459_750.0),
        ("band", "x"),
        ("band", ""),
        ("band", "gr"),
        ("objectId", ""),
        ("objectId", "o" * 1000),
        ("survey", ""),
        ("alertId", -4),
        ("hostgalPhotoz", -1.0),
        ("hostgalPhotoz", float("inf")),
        ("mwebv", -0.1),
        ("ra", 400.0),
        ("dec", -91.0),
    ],
)
def test_a_value_that_cannot_be_is_named(field, value):
    with pytest.raises(PoisonMessage, match=field) as caught:
        native.adapt(decode(wire(record(**{field: value})), REGISTRY, LIMIT).record)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert "expected" in caught.value.detail


def test_a_bad_observation_in_the_history_is_named_by_its_place():
    good = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}
    with pytest.raises(PoisonMessage, match=r"history\[1\]\.fluxErr"):
        native.adapt(record(history=[good, good | {"fluxErr": -1.0}]))


def test_hostile_text_does_not_reach_the_logs_as_it_is():
    with pytest.raises(PoisonMessage) as caught:
        native.adapt(record(band="\x1b[2J" + "A" * 10_000))
    assert "\x1b" not in caught.value.detail
    assert len(caught.value.detail) < 200


def test_what_is_unknown_is_nan():
    alert = native.adapt(record(hostgalPhotoz=None, mwebv=float("nan"), ddf=None, ra=None, dec=None))
    assert alert.context.host_photoz != alert.context.host_photoz
    assert alert.context.mwebv != alert.context.mwebv
    assert alert.context.ddf is None


@pytest.mark.parametrize("folder", ["rubin", "ztf", "elasticc", "negative"])
def test_real_packets_of_surveys_without_an_adapter_are_dead_letters_with_a_reason(folder):
    for path in packets(folder):
        assert reason(path.read_bytes()) in Reason, path.name
