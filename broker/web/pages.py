"""For people: pages made on the server, readable without scripts; scripts make them move."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from broker.text import calendar, printable
from broker.web import api, queries
from broker.web.asking import KeyCursor, asked
from broker.web.guard import PROGRAMS, client_of
from broker.web.links import links_of
from broker.web.live import SHOWN
from broker.web.queries import PAGE, Filters
from broker.web.steps import known, steps, versions
from broker.web.views import address, answer, as_file, flagged, summary
from model.taxonomy import CLASSES

router = APIRouter(include_in_schema=False)

EVERY_S = 1.0  # a page that listens is told
DAY = timedelta(days=1)
MOST_STEPS = 300  # rows of an object's table
QUALITIES = {  # by what a record says that its answer rests on
    "enough": "enough",
    "little": "little: one detection, or one band",
    "outside": "outside of what training has seen, so that the probabilities lean to the priors",
}


def made() -> Environment:
    """The templates, which escape whatever they are given."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters |= {
        "address": lambda row: address(row.survey, row.object_id),
        "as_file": lambda row, form: as_file(address(row.survey, row.object_id), form),
        "calendar": calendar,
        "shown": printable,
    }
    found.globals |= {"class_names": {c.plasticc_id: c.name for c in CLASSES}, "qualities": QUALITIES}
    return found


TEMPLATES = made()


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """A template filled in."""
    html = TEMPLATES.get_template(name).render(
        path=request.url.path, search=request.query_params.get("text", ""), **values
    )
    return HTMLResponse(html, status)


@router.get("/")
def live(request: Request) -> Response:
    """The night as it goes on."""
    parts = request.app.state.parts
    with parts.index.reading() as index:
        latest = queries.anomalous(index, 0, None, SHOWN)
    return page(
        request,
        "live.html",
        news=parts.news.latest(),
        anomalies=[flagged(row) for row in latest.rows],
        line_s=parts.latency_line_s,
    )


class Listening(StreamingResponse):
    """Events for a page that listens; its place is free again however the listening ends, also before it begins."""

    def __init__(self, content: AsyncIterator[str], done: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


@router.get("/events")
async def events(request: Request) -> Response:
    """What changes on the live page, once a second, as server-sent events."""
    parts, client = request.app.state.parts, client_of(request)
    if not parts.listeners.enter(client):
        return Response("too many pages listen\n", 503, headers={"Retry-After": "30"})

    async def told() -> AsyncIterator[str]:
        while not await request.is_disconnected():
            yield f"data: {json.dumps(parts.news.latest())}\n\n"
            await asyncio.sleep(EVERY_S)

    return Listening(told(), lambda: parts.listeners.leave(client))


@router.get("/object")
def object_named(request: Request, survey: str, id: str) -> Response:  # noqa: A002 - the asker's word
    """One object whose id no path can hold."""
    return object_page(request, survey, id)


@router.get("/objects/{survey}/{name:path}")
def object_page(request: Request, survey: str, name: str) -> Response:
    """One object, all that was said of it and why."""
    row, said, curve, trouble = api.looked_up(request, survey, name, MOST_STEPS)
    found, answers = summary(row), [answer(one) for one in said]
    return page(
        request,
        "object.html",
        o=found,
        trouble=trouble,
        links=links_of(found),
        steps=steps(answers),
        versions=versions(answers),
        known=known(survey, curve),
    )


@router.get("/search")
def search(
    request: Request,
    text: Annotated[str, Query(max_length=300)] = "",
    ra: Annotated[str, Query(max_length=30)] = "",
    dec: Annotated[str, Query(max_length=30)] = "",
    radius: Annotated[str, Query(max_length=30)] = "",
    cursor: KeyCursor = None,
) -> Response:
    """By id or by place."""
    given = {"text": text, "ra": ra, "dec": dec, "radius": radius}
    shown = partial(page, request, "search.html", asked=given)
    if not text and not ra:
        return shown(objects=None, cursor=None, wrong="")
    try:
        with request.app.state.parts.index.reading() as index:
            if text:
                found = queries.named(index, text.strip(), cursor)
            else:
                found = queries.within(index, *place_of(ra, dec), radius_of(radius), cursor)
    except ValueError as error:
        return shown(status=422, objects=None, cursor=None, wrong=str(error))
    return shown(objects=[summary(row) for row in found.rows], cursor=found.cursor, wrong="")


@router.get("/lists/anomalies")
def anomalies(request: Request, cursor: str | None = None, days: Annotated[int, Query(ge=1, le=3650)] = 1) -> Response:
    """Objects with an anomaly of the last night, or of more: one row each, however often they were flagged."""
    since_ms = int((datetime.now(UTC) - days * DAY).timestamp() * 1000)
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.anomalous(index, since_ms, cursor, PAGE))
    rows = [flagged(row) for row in found.rows]
    return page(request, "anomalies.html", objects=rows, cursor=found.cursor, days=days)


@router.get("/lists/newest")
def newest(
    request: Request,
    survey: str = "",
    best: str = "",
    probability: Annotated[float, Query(ge=0, le=1)] = 0.0,
    cursor: str | None = None,
) -> Response:
    """Objects by their latest alert, of a class or a survey where one is named."""
    wanted = Filters(survey or None, int(best) if best.isdecimal() and len(best) < 9 else None, probability)
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.newest(index, wanted, cursor, PAGE))
    rows = [summary(row) for row in found.rows]
    return page(request, "newest.html", objects=rows, cursor=found.cursor, wanted=wanted)


@router.get("/lists/risers")
def risers(request: Request, cursor: KeyCursor = None) -> Response:
    """Which of the objects seen last brighten fastest."""
    found = request.app.state.parts.risers.found()
    part = asked(lambda: found.page(cursor, PAGE))
    return page(request, "risers.html", risers=part.rows, trouble=found.trouble, cursor=part.cursor)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The interface for programs."""
    return page(request, "docs.html", api=request.app.openapi())


def place_of(ra: str, dec: str) -> tuple[float, float]:
    """A place from what somebody typed [deg]. Raises ValueError."""
    try:
        found = float(ra), float(dec)
    except ValueError:
        raise ValueError("right ascension and declination are numbers of degrees, such as 150.1 and 2.2") from None
    if not (0 <= found[0] <= 360 and -90 <= found[1] <= 90):
        raise ValueError("right ascension is 0 to 360 and declination -90 to 90 degrees")
    return found


def radius_of(text: str) -> float:
    """A radius from what somebody typed [arcsec], in degrees. Raises ValueError."""
    try:
        return float(text or 10) / 3600
    except ValueError:
        raise ValueError("a radius is a number of arc seconds, such as 10") from None


def add_errors(app: FastAPI) -> None:
    """Errors as pages for people and as JSON for programs."""

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        return told(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def nonsense(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return told(request, 422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    def told(request: Request, status: int, why: str) -> Response:
        if request.url.path.startswith(PROGRAMS):
            return JSONResponse({"detail": why}, status)
        return page(request, "error.html", status, why=why, code=status)
