"""What the page costs: `python -m tests.benchmark.page`, over real HTTP, with a real Kafka, Valkey and worker.

A million objects are in Redis and in the index; pages are asked for while nothing else happens, and again while a
worker publishes at a rate. Wall time is what a visitor waits on a connection that is open; processor time is the page's
own. What the page adds is its processor time, with that of the small process it asks who works, beside the worker's of
the same seconds, and beside the worker's and the servers' together: with nobody at the page, and with one who listens
and looks. The worker's own time for an alert with the page and without says whether it hinders it.

    python -m tests.benchmark.page                    # the whole: some 10 minutes and 6 GB of memory
    python -m tests.benchmark.page --quick            # a short run that shows that all of it works
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import psutil

from broker.web.index import Batch, Index
from broker.web.places import pixels
from model.taxonomy import CLASS_IDS
from tests.benchmark.flood import flood
from tests.benchmark.latency import Sender
from tests.benchmark.machine import machine
from tests.benchmark.progress import say
from tests.benchmark.serving import Serving, serving
from tests.benchmark.stars import key, packets
from tests.benchmark.steady import PREFIX
from tests.benchmark.visits import Visitor, family_s, first_paint_kb, listening, visited
from tests.benchmark.way import Way
from tests.support.page_process import PageProcess, page_process
from tests.support.said import as_told, said
from tests.support.service import eventually

FAMILY = "p"
POINTS = 2  # of each object's light curve
AT_ONCE = 5_000
LOOKED_AT, ANSWERS, LONG_POINTS = 200, 20, 200  # objects that are visited, with their answers and points
LOOK_S = 0.05
READ_S = 60.0  # until the page has read what was published


class Followed(NamedTuple):
    """A page that follows, and the file of its index."""

    process: PageProcess
    index: Path

    @property
    def home(self) -> str:
        return self.process.home

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def read(self) -> int:
        """Classifications that it has read since the index was begun."""
        with closing(sqlite3.connect(f"file:{self.index}?mode=ro", uri=True)) as index:
            return int(index.execute("SELECT coalesce(sum(messages), 0) FROM nights").fetchone()[0])


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=500, help="alerts a second")
    parser.add_argument("--seconds", type=int, default=60, help="that alerts come")
    parser.add_argument("--rounds", type=int, default=2, help="each without the page, then with it")
    parser.add_argument("--quick", action="store_true", help="20,000 objects, 10 s, one round")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.objects, chosen.seconds, chosen.rounds = 20_000, 10, 1
    figures: dict[str, Any] = {"machine": machine(), **vars(chosen), "looked_at": LOOKED_AT, "long_points": LONG_POINTS}
    with serving(FAMILY, chosen.objects, POINTS) as service, tempfile.TemporaryDirectory() as folder:
        way = Way(service.redis_url, PREFIX)
        way.fill(FAMILY, chosen.objects + LOOKED_AT, LONG_POINTS, first=chosen.objects)
        way.close()
        index = Path(folder) / "index.sqlite"
        say(f"filling the index: {chosen.objects:,} objects")
        figures["index_us_an_answer"] = fill(index, chosen.objects)
        figures["index_bytes"] = index.stat().st_size
        names = np.random.default_rng(0).permutation(LOOKED_AT) + chosen.objects
        service.start(1)
        service.workers[0].await_ready()
        windows: dict[str, list[dict[str, float]]] = {"without_page": [], "with_page": [], "visited": []}
        publish(service, chosen.rate, max(1, chosen.seconds // 10), chosen.objects)  # the worker is warm then
        for turn in range(chosen.rounds):
            say(f"{chosen.rate} alerts a second for {chosen.seconds} s, {turn + 1} of {chosen.rounds}")
            whole = chosen.rate, chosen.seconds, chosen.objects
            windows["without_page"].append(publish(service, *whole))
            with followed(service, folder, index) as page:
                if not turn:
                    say("visits while nothing else happens")
                    figures["first_paint_kb"] = {p: first_paint_kb(page.home, p) for p in ("/", address(names[0]))}
                    figures["quiet_ms"] = visits(page, names.tolist())
                    figures["idle_share_of_a_core"] = idle(page, chosen.seconds / 4)
                windows["with_page"].append(publish(service, *whole, page))
                with visiting(page, names.tolist()) as loaded:
                    windows["visited"].append(publish(service, *whole, page))
                figures["while_publishing_ms"] = loaded
    figures["windows"] = windows
    for name in ("with_page", "visited"):
        own = windows[name]
        figures[name] = {
            "over_worker": ratio(own, ("page_s",), ("worker_s",)),
            "over_worker_and_servers": ratio(own, ("page_s",), ("worker_s", "kafka_s", "valkey_s")),
            "share_of_a_core": ratio(own, ("page_s",), ("wall_s",)),
            "us_an_answer": round(1e6 * ratio(own, ("page_s",), ("alerts",)), 1),
        }
    figures["worker_us_an_alert"] = {
        name: round(1e6 * ratio(some, ("worker_s",), ("alerts",)), 1) for name, some in windows.items()
    }
    figures["flood_us_an_alert"] = flood()
    figures["reached"] = {
        "object page p95 <= 150 ms": figures["quiet_ms"]["object_page"]["wall_p_95"] <= 150,
        "the page adds <= 2 % CPU to the pipeline": figures["visited"]["over_worker"] <= 0.02,
        "first paint < 300 kB without plots": all(f["without_plots"] < 300 for f in figures["first_paint_kb"].values()),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


def fill(path: Path, objects: int) -> float:
    """An index of so many objects with an answer each, and those that are visited; microseconds of it an answer."""
    rng, index, began = np.random.default_rng(1), Index(path), process_time()
    for first in range(0, objects + LOOKED_AT, AT_ONCE):
        names = range(first, min(objects + LOOKED_AT, first + AT_ONCE))
        best = rng.choice(CLASS_IDS, len(names)).tolist()
        where = np.stack([rng.uniform(0, 360, len(names)), rng.uniform(-80, 80, len(names))], axis=1)
        places = zip(*where.T.tolist(), pixels(where).tolist(), strict=True)
        told = [
            said(f"{FAMILY}{i}", i, best=b, ra=ra, dec=dec, pixel=pixel, anomaly=int(i % 100 == 0))
            for i, b, (ra, dec, pixel) in zip(names, best, places, strict=True)
        ]
        index.write(Batch(as_told(*told), {}, {}))
    spent = process_time() - began
    for name in range(objects, objects + LOOKED_AT):
        index.write(Batch(as_told(*(said(f"{FAMILY}{name}", i) for i in range(1, ANSWERS))), {}, {}))
    index.close()
    return round(1e6 * spent / (objects + LOOKED_AT), 1)


@contextmanager
def followed(service: Serving, folder: str, index: Path) -> Iterator[Followed]:
    """The page on that index, once it answers and has read all that was published."""
    variables = {
        "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": service.kafka,
        "MISWEEPER_REDIS__URL": service.redis_url,
        "MISWEEPER_REDIS__PREFIX": PREFIX,
        "MISWEEPER_LOG__LEVEL": "warning",
        "OMP_NUM_THREADS": "1",
    }
    with page_process(variables, Path(folder) / "web.log", "--index", str(index)) as process:
        page = Followed(process, index)
        eventually(lambda: process.api("/api/objects?limit=1")["objects"] and page.read() >= service.sent, READ_S)
        yield page


def address(name: int) -> str:
    return f"/objects/plasticc/{FAMILY}{name}"


def visits(page: Followed, names: list[int]) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of page."""
    kinds = {
        "object_page": [address(n) for n in names],
        "object_json": [f"/api{address(n)}" for n in names],
        "search": [f"/search?text={FAMILY}{n}" for n in names[:50]],
        "cone": [f"/search?ra={n % 360}&dec={n % 80}&radius=60" for n in names[:50]],
        "newest": ["/lists/newest?best=90&probability=0.5"] * 50,
        "anomalies": ["/lists/anomalies"] * 50,
        "live": ["/"] * 50,
    }
    return {kind: visited(page.home, page.pid, paths) for kind, paths in kinds.items()}


def idle(page: Followed, seconds: float) -> float:
    """The share of a core that the page takes while nothing comes and one browser listens."""
    end, before = listening(page.home), family_s(page.pid)
    time.sleep(seconds)
    spent = family_s(page.pid) - before
    end()
    return round(spent / seconds, 4)


@contextmanager
def visiting(page: Followed, names: list[int]) -> Iterator[dict[str, float]]:
    """Somebody listens, and looks at an object each second; filled in the end with what the visits took."""
    found: dict[str, float] = {}
    over, wall_ms = [], []

    def look() -> None:
        visitor, turn = Visitor(page.home), 0
        while not over:
            began = time.perf_counter()
            visitor.get(address(names[turn % len(names)]))
            wall_ms.append(1e3 * (time.perf_counter() - began))
            turn += 1
            time.sleep(1)
        visitor.close()

    thread, end = Thread(target=look, daemon=True), listening(page.home)
    thread.start()
    try:
        yield found
    finally:
        over.append(1)
        thread.join()
        events = end()
    found |= {f"object_page_wall_p_{share}": round(float(np.percentile(wall_ms, share)), 1) for share in (50, 95)}
    found |= {"visits": len(wall_ms), "events": events}


def publish(service: Serving, rate: int, seconds: int, objects: int, page: Followed | None = None) -> dict[str, float]:
    """Send alerts at a rate until all are committed, and read by the page; who spent how much meanwhile [s]."""
    count = rate * seconds
    day = POINTS + service.sent // objects + 1
    names = [i % objects for i in range(service.sent, service.sent + count)]
    values = packets(FAMILY, names, day, service.sent + 1)
    before, began = spent(service, page), time.monotonic()
    service.sent += count
    keys = [key(FAMILY, name) for name in names]
    Sender(service.producer(linger_ms=0)).send(list(zip(values, keys, strict=True)), rate)
    service.samples(LOOK_S)
    if page:
        eventually(lambda: page.read() >= service.sent, READ_S)
    after = spent(service, page)
    took = {name: round(after[name] - before[name], 3) for name in after}
    return {"alerts": count, "wall_s": round(time.monotonic() - began, 3), **took}


def spent(service: Serving, page: Followed | None) -> dict[str, float]:
    """Seconds of the processor so far: the workers, the servers, and the page with its children."""
    servers = {"kafka_s": "java", "valkey_s": "valkey"}
    children = psutil.Process().children(recursive=True)
    found = {"worker_s": sum(family_s(worker.process.pid) for worker in service.workers if worker.process)}
    for name, program in servers.items():
        found[name] = sum(sum(child.cpu_times()[:2]) for child in children if program in child.name())
    return found | ({"page_s": family_s(page.pid)} if page else {})


def ratio(windows: list[dict[str, float]], above: tuple[str, ...], below: tuple[str, ...]) -> float:
    """Of the sums of some figures over all windows."""
    over, under = (sum(window[name] for window in windows for name in names) for names in (above, below))
    return round(over / under, 6)


if __name__ == "__main__":
    sys.exit(main())
