"""A service that classifies some alerts, the page beside it, and packets and objects that tests look for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path

import fastavro
import pytest

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.packets.framings import encode
from tests.support.page_process import page_process
from tests.support.servers import Topics
from tests.support.service import Service, eventually

HOSTILE = ("<script>alert(1)</script>", "[/x]", "a/b c%2F?#é")  # names of objects
ALERTS = 3_000


@contextmanager
def night_with_page(kafka: str, redis_url: str, folder: Path) -> Iterator[Service]:
    """A service that classifies, and the page beside it."""
    patch = pytest.MonkeyPatch()
    prefix = f"web-{os.getpid()}-"
    service = Service(kafka, redis_url, prefix, folder)
    try:
        service.create_topics(patch, partitions=2)
        service.worker().await_ready()
        with page_process(service.variables(), service.folder / "web.log") as page:
            service.home = page.home
            service.records = list(islice(read_alerts(HELDOUT), ALERTS))
            hostile = [service.records[i] | {"objectId": name, "alertId": 10**6 + i} for i, name in enumerate(HOSTILE)]
            service.send((r["objectId"], encode(r, "observation")) for r in [*service.records, *hostile])
            eventually(lambda: len(page.api("/api/objects?limit=500")["objects"]) > 10, 120)
            eventually(lambda: page.api(f"/api/search?text={HOSTILE[1]}")["objects"], 120)
            service.page = page
            yield service
    finally:
        service.close()
        Topics(kafka, prefix).delete()
        patch.undo()


def busiest(night: Service) -> dict:
    """The object with the most alerts: its page has all there is to show."""
    found = night.page.api("/api/objects?limit=500")["objects"]
    return max(found, key=lambda o: o["observations"])


def with_few_forced(value: bytes) -> bytes:
    """A packet of ZTF with but one forced point: where there is one, it is what is kept of the limit of that visit."""
    reader = fastavro.reader(BytesIO(value))
    (record,) = reader
    stream = BytesIO()
    fastavro.writer(stream, reader.writer_schema, [record | {"fp_hists": record["fp_hists"][:1]}])
    return stream.getvalue()
