"""The page put together: index, feed, lookout, light curves, and what answers each address."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from broker.web import api, pages
from broker.web.crew import Lookout
from broker.web.feed import Feed
from broker.web.guard import Guard
from broker.web.index import Index, Row
from broker.web.lightcurve import LightCurves
from broker.web.pulse import Pulse

HERE = Path(__file__).parent
RECENT = 50  # anomalies that a page that has just been opened is told of


class Recent:
    """The latest anomalies, numbered, for pages that listen; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._first = 0  # the number of the first row

    def add(self, rows: list[Row]) -> None:
        """Anomalies that have just come."""
        with self._lock:
            self._rows += rows
            gone = max(0, len(self._rows) - RECENT)
            self._rows, self._first = self._rows[gone:], self._first + gone

    def since(self, number: int) -> tuple[list[Row], int]:
        """The anomalies from a number on, oldest first, and the number to ask with the next time."""
        with self._lock:
            return self._rows[max(0, number - self._first) :], self._first + len(self._rows)


@dataclass(slots=True)
class Parts:
    """What the pages are made from."""

    index: Index
    pulse: Pulse
    feed: Feed
    lookout: Lookout
    curves: LightCurves
    recent: Recent
    latency_line_s: float = 60.0  # DMTN-102: 98 % of a visit's alerts are out by then
    listeners: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(100))


def application(parts: Parts, password: str | None = None, trusted_header: str | None = None) -> FastAPI:
    """The page; following begins and ends with it. The arguments are those of `Guard`."""

    @asynccontextmanager
    async def following(_: FastAPI) -> AsyncIterator[None]:
        parts.feed.start()
        parts.lookout.start()
        yield
        parts.feed.stop()
        parts.lookout.stop()

    app = FastAPI(
        title="misweeper",
        summary="Classifications of a streaming alert broker, object by object.",
        version=version("misweeper"),
        docs_url=None,
        redoc_url=None,
        lifespan=following,
    )
    app.state.parts = parts
    app.add_middleware(Guard, password=password, trusted_header=trusted_header)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(api.router)
    app.include_router(pages.router)
    pages.add_errors(app)
    return app
