"""What the page costs: `python -m tests.benchmark.page`. An index of a million objects, written without a Kafka.

Times are of the processor (`process_time`), so that what else the machine does is left out as far as it can be.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from broker.packets.framings import encode
from broker.web.index import Batch
from broker.web.published import Classifications, Place, rows, shown
from model.taxonomy import CLASS_IDS
from tests.support.curves import curve
from tests.support.said import said
from tests.support.webpage import Site, log_of, site

AT_ONCE = 5_000
ANSWERS = 20  # of each object that is looked at
POINTS = 200  # of its light curve
LOOKED_AT = 200
MESSAGES = 20_000


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    objects = parser.parse_args().objects
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as page:
        filled = fill(page, objects)
        names = np.random.default_rng(0).choice(objects, LOOKED_AT, replace=False).tolist()
        for name in names:
            look_into(page, name)
        figures = {
            "objects": objects,
            "index_bytes": page.index.path.stat().st_size,
            "index_us_an_answer": round(1e6 * filled / objects, 1),
            "object_page_ms": cost(page, [f"/objects/plasticc/{n}" for n in names]),
            "object_json_ms": cost(page, [f"/api/objects/plasticc/{n}" for n in names]),
            "search_ms": cost(page, [f"/search?text={n}" for n in names]),
            "cone_ms": cost(page, [f"/search?ra={n % 360}&dec={n % 80}&radius=60" for n in names]),
            "newest_ms": cost(page, ["/lists/newest?best=90&probability=0.5"] * 50),
            "live_ms": cost(page, ["/"] * 50),
            "feed_us_an_alert": feed(page),
        }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


def fill(page: Site, objects: int) -> float:
    """So many objects with an answer each; the seconds of the processor that this took."""
    rng = np.random.default_rng(1)
    began = process_time()
    for first in range(0, objects, AT_ONCE):
        some = range(first, min(objects, first + AT_ONCE))
        best = rng.choice(CLASS_IDS, len(some)).tolist()
        page.index.write(Batch([said(str(i), i, best=b) for i, b in zip(some, best, strict=True)], {}, {}))
    return process_time() - began


def look_into(page: Site, name: int) -> None:
    """Give an object a light curve and more answers."""
    page.index.write(Batch([said(str(name), i) for i in range(1, ANSWERS)], {}, {}))
    key = f"plasticc/{name}".encode()
    page.store.logs[key] = log_of(key, curve(POINTS))


def cost(page: Site, paths: list[str]) -> dict[str, float]:
    """Milliseconds of the processor for each request: the median and the 95th percentile."""
    page.client.get(paths[0])
    spent = []
    for path in paths:
        began = process_time()
        assert page.client.get(path).status_code == 200, path
        spent.append(1e3 * (process_time() - began))
    return {"p50": round(float(np.median(spent)), 1), "p95": round(float(np.percentile(spent, 95)), 1)}


def feed(page: Site) -> dict[str, float]:
    """Microseconds of the processor an alert: to decode it, and to take it in as one of a flood."""
    value = encode(classification(), "classification")
    reader, places = Classifications(), [Place("c", 0, i, "alerts", 0, i) for i in range(AT_ONCE)]
    rows(reader.read([value] * AT_ONCE), range(AT_ONCE), places)
    decoded = kept = 0.0
    for _ in range(MESSAGES // AT_ONCE):
        began = process_time()
        columns = reader.read([value] * AT_ONCE)
        page.parts.feed.count(shown(columns))
        decoded += process_time() - began
        began = process_time()
        page.index.write(Batch(rows(columns, range(0, AT_ONCE, 10), places[::10]), {}, {}))
        kept += process_time() - began
    return {"decode_and_count": round(1e6 * decoded / MESSAGES, 1), "index_one_in_ten": round(1e6 * kept / MESSAGES, 1)}


def classification() -> dict[str, Any]:
    """One of ours."""
    return {
        "alertId": 2**60,
        "objectId": "new",
        "survey": "ztf",
        "mjd": 60_000.5,
        "ra": 150.0,
        "dec": 2.0,
        "observations": 12,
        "classifications": [{"classId": c, "probability": 1 / 14} for c in CLASS_IDS],
        "priors": "natural",
        "p99": 0.2,
        "anomalyScore": 4.5,
        "anomaly": False,
        "classifierName": "default",
        "classifierVersion": "d98a",
        "brokerVersion": "1",
        "ingestTimestamp": 1_795_000_000_000,
        "publishTimestamp": 1_795_000_000_015,
    }


if __name__ == "__main__":
    sys.exit(main())
