"""The page put together: index, feed, roll call, light curves, and what answers each address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from broker.web import api, pages, skyportal
from broker.web.feed import Feed
from broker.web.guard import SEARCHES_A_MINUTE, Guard
from broker.web.index import Index
from broker.web.lightcurve import LightCurves
from broker.web.listeners import Listeners
from broker.web.live import ANSWERING_S, News, account, artefacts, news
from broker.web.pulse import Pulse
from broker.web.reach import Reach
from broker.web.reasons import Reasons
from broker.web.risers import Risers
from broker.web.rollcall import RollCall

HERE = Path(__file__).parent


@dataclass(slots=True)
class Parts:
    """What the pages are made from."""

    index: Index
    pulse: Pulse
    feed: Feed
    roll: RollCall
    curves: LightCurves
    latency_line_s: float = 60.0  # DMTN-102: 98 % of a visit's alerts are out by then
    listeners: Listeners = field(default_factory=Listeners)
    reasons: Reasons = field(default_factory=Reasons)
    news: News = field(init=False)
    artefacts: News = field(init=False)
    reach: Reach = field(init=False)
    risers: Risers = field(init=False)

    def __post_init__(self) -> None:
        """What is made of the rest."""
        self.news = News(self._news)
        self.artefacts = News(lambda: artefacts(self.index), ANSWERING_S)
        self.reach = Reach(self.curves)
        self.risers = Risers(self.index, self.curves)

    def _news(self) -> dict[str, Any]:
        crew = self.roll.crew
        troubles = self.feed.trouble or crew.trouble, self.reach.trouble
        told = news(self.pulse, crew, "; ".join(filter(None, troubles)), self.latency_line_s)
        return told | account(self.index, crew, self.artefacts.latest())


def application(
    parts: Parts,
    password: str | None = None,
    trusted_header: str | None = None,
    *,
    searches_a_minute: int = SEARCHES_A_MINUTE,
    hosts: frozenset[str] = frozenset(),
) -> FastAPI:
    """The page; following begins and ends with it. The arguments are those of `Guard`."""

    @asynccontextmanager
    async def following(_: FastAPI) -> AsyncIterator[None]:
        parts.feed.start()
        parts.roll.start()
        parts.reach.start()
        yield
        parts.reach.stop()
        parts.feed.stop()
        parts.roll.stop()

    app = FastAPI(
        title="misweeper",
        summary="Classifications of a streaming alert broker, object by object.",
        version=version("misweeper"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=following,
    )
    app.state.parts = parts
    app.add_middleware(
        Guard, password=password, trusted_header=trusted_header, searches_a_minute=searches_a_minute, hosts=hosts
    )
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(api.router)
    app.include_router(skyportal.router)
    app.include_router(pages.router)
    pages.add_errors(app)
    return app
