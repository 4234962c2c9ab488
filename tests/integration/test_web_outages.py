"""Kafka and Redis are killed under the page: it says so within ten seconds, and says no more once they are back."""

from itertools import islice

import pytest
from playwright.sync_api import expect

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.packets.framings import encode
from tests.support.browser import Watched, browser
from tests.support.page_process import page_process
from tests.support.service import Service, eventually

TOLD_MS = 10_000
BACK_MS = 90_000  # a client of Kafka that is cut off is given up after half a minute


@pytest.fixture
def service(tmp_path, monkeypatch):
    with EmbeddedValkey(persistent=True) as valkey, EmbeddedKafka() as kafka:
        made = Service(kafka.bootstrap_servers, valkey.url, "outage-", tmp_path, {"MISWEEPER_REDIS__TIMEOUT_S": "1"})
        made.valkey, made.server = valkey, kafka
        try:
            made.create_topics(monkeypatch, partitions=1)
            made.worker().await_ready()
            yield made
        finally:
            made.close()


@pytest.mark.timeout(400)
def test_a_kafka_and_a_redis_that_are_killed_are_told_of_within_ten_seconds_and_then_no_more(service, tmp_path):
    records = list(islice(read_alerts(HELDOUT), 200))

    def send(some):
        service.send((r["objectId"], encode(r, "observation")) for r in some)

    with browser() as chromium, page_process(service.variables(), tmp_path / "web.log") as process:
        send(records[:100])
        eventually(lambda: process.api("/api/objects?limit=500")["objects"], 60)
        (one, *_) = process.api("/api/objects")["objects"]
        live, object_ = (Watched(chromium.new_page(), process.home) for _ in range(2))
        page = live.goto("/")
        trouble, total = page.locator("#trouble"), page.locator("#total")
        expect(trouble).to_be_hidden(timeout=TOLD_MS)

        service.server.kill()
        expect(trouble).to_be_visible(timeout=TOLD_MS)
        expect(trouble).to_contain_text("Kafka")
        service.server.start()
        expect(trouble).to_be_hidden(timeout=BACK_MS)
        send(records[100:])
        expect(total).to_have_text(str(len(records)), timeout=BACK_MS)

        service.valkey.kill()
        expect(trouble).to_be_visible(timeout=TOLD_MS)
        expect(trouble).to_contain_text("redis")
        shown = object_.goto(f"/objects/{one['survey']}/{one['object_id']}")
        expect(shown.locator(".trouble")).to_contain_text("The light curve is not there")
        expect(shown.locator("#chances canvas")).to_be_visible()  # what was said is in the index
        service.valkey.start()
        expect(trouble).to_be_hidden(timeout=BACK_MS)
        shown.reload()
        expect(shown.locator(".trouble")).to_have_count(0)
        expect(shown.locator("#curve canvas")).to_be_visible()
        assert live.strangers + object_.strangers == []
