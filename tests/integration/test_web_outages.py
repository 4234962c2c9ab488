"""Kafka and Redis are killed under the page: it says so within ten seconds, and says no more once they are back."""

import pytest
from confluent_kafka import Producer
from playwright.sync_api import expect

from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.packets.framings import encode
from tests.support.browser import Watched, browser
from tests.support.page_process import page_process
from tests.support.said import classification
from tests.support.service import Service, eventually

TOLD_MS = 10_000
BACK_MS = 90_000  # a client of Kafka that is cut off is given up after half a minute
SOURCE = [("source_topic", "alerts"), ("source_partition", "0"), ("source_offset", "7")]


@pytest.fixture
def servers():
    with EmbeddedValkey(persistent=True) as valkey, EmbeddedKafka() as kafka:
        yield valkey, kafka


@pytest.mark.timeout(400)
def test_a_kafka_and_a_redis_that_are_killed_are_told_of_within_ten_seconds_and_then_no_more(
    servers, tmp_path, monkeypatch
):
    valkey, kafka = servers
    service = Service(kafka.bootstrap_servers, valkey.url, "outage-", tmp_path, {"MISWEEPER_REDIS__TIMEOUT_S": "1"})
    service.create_topics(monkeypatch, partitions=1)

    def publish(number):
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
        value = encode(classification(alertId=number, objectId="one"), "classification")
        producer.produce("outage-classifications", value, headers=SOURCE)
        assert producer.flush(60) == 0

    with browser() as chromium, page_process(service.variables(), tmp_path / "web.log") as process:
        publish(1)
        eventually(lambda: process.api("/api/objects")["objects"], 180)
        live, object_ = (Watched(chromium.new_page(), process.home) for _ in range(2))
        page = live.goto("/")
        trouble, total = page.locator("#trouble"), page.locator("#total")
        expect(trouble).to_be_hidden(timeout=BACK_MS)

        kafka.kill()
        expect(trouble).to_contain_text("Kafka", timeout=TOLD_MS)
        expect(trouble).to_be_visible()
        kafka.start()
        expect(trouble).to_be_hidden(timeout=BACK_MS)
        publish(2)
        expect(total).to_have_text("2", timeout=BACK_MS)

        valkey.kill()
        expect(trouble).to_contain_text("redis", timeout=TOLD_MS)
        expect(trouble).to_be_visible()
        shown = object_.goto("/objects/ztf/one")
        expect(shown.locator(".trouble:visible")).to_contain_text("The light curve is not there")
        expect(shown.locator("#chances canvas")).to_be_visible()  # what was said is in the index
        valkey.start()
        expect(trouble).to_be_hidden(timeout=BACK_MS)
        shown.reload()
        expect(shown.locator("#chances canvas")).to_be_visible()
        expect(shown.locator(".trouble:visible")).to_have_count(0)
        assert live.strangers + object_.strangers == []
