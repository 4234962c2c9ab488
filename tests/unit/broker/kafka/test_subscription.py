"""What a subscriber reads of our messages, and what it says where nothing can come."""

import json
import time
from io import BytesIO

import fastavro
import pytest

from broker.kafka.subscription import Subscription, decode, decoded, source
from broker.packets.framings import encode
from schemas.catalogue import load
from tests.support.alerts import record


def test_a_subscriber_says_why_nothing_comes():
    subscription = Subscription({"bootstrap.servers": "127.0.0.1:1", "log_level": 2}, {"out": "classification"})
    deadline = time.monotonic() + 10
    assert subscription.trouble == ""
    while not subscription.trouble:
        assert time.monotonic() < deadline
        assert list(subscription.poll(1, 0.1)) == []
    assert "Connection refused" in subscription.trouble
    subscription.close()


def test_a_message_is_decoded_behind_its_framing():
    assert decode(encode(record(), "observation"), load("observation"))["alertId"] == record()["alertId"]


def test_a_message_of_an_older_version_is_read_as_one_of_the_newest():
    text = dict.fromkeys(("objectId", "survey", "priors", "classifierName", "classifierVersion", "brokerVersion"), "a")
    numbers = dict.fromkeys(("alertId", "mjd", "observations", "p99", "anomalyScore"), 1)
    rest = {"ra": None, "dec": None, "classifications": [], "ingestTimestamp": 0, "publishTimestamp": 0}
    said = text | numbers | rest | {"anomaly": True}
    old, new = (decode(encode(said, "classification", v), load("classification")) for v in (1, 2))
    assert old == new | {"quality": "unknown"}
    assert decoded(encode(record(), "observation"), load("classification")) is None, "another record of ours"
    assert decoded(b"\x00\x00\x00\x00\xfa" + bytes(90), load("classification")) is None, "a version that is not shipped"


@pytest.mark.parametrize("as_bytes", [True, False])
def test_the_headers_name_the_alert_that_is_answered(as_bytes):
    headers = {"source_topic": "alerts", "source_partition": "3", "source_offset": "9", "other": "x"}
    given = [(name, value.encode() if as_bytes else value) for name, value in headers.items()]
    assert source(given) == ("alerts", 3, 9)


def test_a_message_is_decoded_in_every_framing_that_we_publish():
    schema, told = load("observation"), record()
    wire = encode(told, "observation")
    container = BytesIO()
    fastavro.writer(container, schema, [told])
    key = json.dumps(schema).encode()
    found = [
        decode(wire, schema, b"plasticc/615"),
        decode(container.getvalue(), load("classification")),
        decode(wire[5:], load("classification"), key),
        decode(wire[5:], schema, bare=True),
    ]
    assert all(one == found[0] for one in found)
    assert found[0]["alertId"] == told["alertId"]
    for strange in (b"", b"Obj\x01", b"who knows", b"\x00" * 5):
        assert decoded(strange, schema) is None
        assert decoded(strange, schema, b'{"fields') is None
