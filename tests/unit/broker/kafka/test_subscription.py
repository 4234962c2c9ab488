"""What a subscriber reads of our messages, and what it says where nothing can come."""

import time

import pytest

from broker.kafka.subscription import Subscription, decode, source
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


@pytest.mark.parametrize("as_bytes", [True, False])
def test_the_headers_name_the_alert_that_is_answered(as_bytes):
    headers = {"source_topic": "alerts", "source_partition": "3", "source_offset": "9", "other": "x"}
    given = [(name, value.encode() if as_bytes else value) for name, value in headers.items()]
    assert source(given) == ("alerts", 3, 9)
