"""A night for the tests of the page: a service that classifies held-out light curves, and the page beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.packets.framings import encode
from tests.support.page_process import page_process
from tests.support.servers import Topics
from tests.support.service import Service, eventually

HOSTILE = ("<script>alert(1)</script>", "[/x]", "a/b c%2F?#é", "..")
ALERTS = 3_000
STRANGE, EACH = 5, 20  # objects among them like nothing known, and their alerts


@contextmanager
def night_of(kafka: str, redis_url: str, folder: Path) -> Iterator[Service]:
    """A service that classifies, with its `page` and the `records` that it was sent, once some are shown."""
    patch = pytest.MonkeyPatch()
    prefix = f"{folder.name}-{os.getpid()}-"
    service = Service(kafka, redis_url, prefix, folder)
    try:
        service.create_topics(patch, partitions=2)
        service.worker().await_ready()
        with page_process(service.variables(), service.folder / "web.log") as page:
            service.home = page.home
            known = list(islice(read_alerts(HELDOUT), ALERTS - STRANGE * EACH))
            service.records = [*known, *strange(known)]
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


def strange(known: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Alerts that any model flags: a bright source at a redshift of 2.5 whose flux changes its sign again and again."""
    told = {"detected": True, "fluxErr": 300.0, "hostgalPhotoz": 2.5, "hostgalPhotozErr": 0.02}
    for i, place in product(range(EACH), range(STRANGE)):
        flux = 30_000.0 * (1 + place) * (-1) ** (i // 4)
        named = {"objectId": f"strange {place}", "alertId": 2 * 10**6 + STRANGE * i + place}
        yield known[-1] | told | named | {"flux": flux, "mjd": known[0]["mjd"] + i, "band": "gri"[i % 3]}


def api(night: Any, path: str) -> Any:
    """What an address of the page's interface for programs answers."""
    return night.page.api(path)


def busiest(night: Any) -> Any:
    """The object with the most alerts: its page has all there is to show."""
    found = api(night, "/api/objects?limit=500")["objects"]
    return max(found, key=lambda o: o["observations"])
