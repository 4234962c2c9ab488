"""Visits to a page that runs in a process of its own: what they took by the clock, and what they cost its process."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from threading import Thread
from urllib.parse import urljoin, urlsplit

import numpy as np
import psutil

PATIENCE_S, LEAVE_S = 60.0, 0.5
KB = 1000


class Visitor:
    """One connection, kept open as a browser keeps it; not for two threads."""

    def __init__(self, home: str) -> None:
        self._connection = HTTPConnection(urlsplit(home).netloc, timeout=PATIENCE_S)

    def get(self, path: str) -> bytes:
        """The body; asked again while the page says that one visitor asks too often. Raises RuntimeError."""
        while (body := self.asked(path)) is None:
            time.sleep(LEAVE_S)
        return body

    def asked(self, path: str) -> bytes | None:
        """The body, or None where the page says that one visitor asks too often. Raises RuntimeError."""
        self._connection.request("GET", path)
        with closing(self._connection.getresponse()) as answer:
            body = answer.read()
            if answer.status not in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS):
                raise RuntimeError(f"{path}: {answer.status} {body[-300:]!r}")
            return body if answer.status == HTTPStatus.OK else None

    def close(self) -> None:
        self._connection.close()


def processor_s(pid: int) -> float:
    """What a process has spent so far, all its threads [s]; finer than the clock ticks of /proc. Linux alone."""
    return time.clock_gettime(~pid << 3 | 2)  # the number that clock_getcpuclockid gives


def family_s(pid: int) -> float:
    """What a process, its children of now and those that have ended have spent so far [s]."""
    process = psutil.Process(pid)
    some = [process.cpu_times(), *(child.cpu_times() for child in process.children(recursive=True))]
    return float(sum(times.user + times.system for times in some) + some[0].children_user + some[0].children_system)


def visited(home: str, pid: int, paths: Sequence[str]) -> dict[str, float]:
    """Milliseconds of one request after the other, the first left out: the median and the 95th percentile."""
    visitor, wall_ms, spent_ms = Visitor(home), [], []
    visitor.get(paths[0])
    for path in paths:
        while True:
            spent, began = processor_s(pid), time.perf_counter()
            if visitor.asked(path) is not None:
                break
            time.sleep(LEAVE_S)
        wall_ms.append(1e3 * (time.perf_counter() - began))
        spent_ms.append(1e3 * (processor_s(pid) - spent))
    visitor.close()
    return {
        f"{name}_{share}": round(float(np.percentile(values, number)), 1)
        for name, values in (("wall_p", wall_ms), ("processor_p", spent_ms))
        for share, number in (("50", 50), ("95", 95))
    }


def first_paint_kb(home: str, path: str) -> dict[str, float]:
    """Kilobytes that a browser without a cache fetches: the page and what its markup names, with and without plots."""
    visitor = Visitor(home)
    html = visitor.get(path)
    named = dict.fromkeys(re.findall(r'(?:src|href)="(/static/[^"]+)"', html.decode()))
    sizes = {name: len(visitor.get(urlsplit(urljoin(home, name)).path)) for name in named}
    visitor.close()
    plots = sum(size for name, size in sizes.items() if "uplot" in name)
    whole = len(html) + sum(sizes.values())
    return {"without_plots": round((whole - plots) / KB, 1), "with_plots": round(whole / KB, 1)}


def listening(home: str) -> Callable[[], int]:
    """Listen as the live page does, in a thread; what is returned ends that, and says how many events came."""
    connection = HTTPConnection(urlsplit(home).netloc, timeout=PATIENCE_S)
    connection.request("GET", "/events")
    answer, heard, over = connection.getresponse(), [], []

    def listen() -> None:
        while not over and (line := answer.readline()):
            if line.startswith(b"data:"):
                heard.append(1)

    thread = Thread(target=listen, daemon=True)
    thread.start()

    def end() -> int:
        over.append(1)
        thread.join()
        answer.close()
        connection.close()
        return len(heard)

    return end
