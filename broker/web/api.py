"""For programs: what the pages show, as JSON, CSV and Avro; described at /docs and /openapi.json."""

import csv
import io
from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastavro
import numpy as np
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from numpy.typing import NDArray

from broker.errors import TransientError
from broker.web import queries
from broker.web.asking import Cursor, KeyCursor, Limit, Whole, asked
from broker.web.index import Row
from broker.web.queries import MOST_ANSWERS, PAGE, Filters
from broker.web.reasons import UnknownReason
from broker.web.shapes import Answers, FlaggedObjects, Object, Riser, RisersFound, Summaries, Why
from broker.web.views import answer, flagged, observed, summary
from model.observation import OBSERVATION
from schemas.catalogue import load

router = APIRouter()

LONGEST_NAME = 120  # of a file to be saved
Form = Annotated[
    Literal["json", "csv", "avro"],
    Query(
        description="csv: mjd (TAI), band, flux and flux_err [nJy], magnitude, detected, and how deep a limit is. "
        "avro: one native alert in a container, which can be replayed."
    ),
]
FILES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/avro": {}}}}


@router.get("/api/objects", tags=["objects"])
def objects(
    request: Request,
    survey: Annotated[str | None, Query(max_length=100)] = None,
    best: Annotated[Whole | None, Query(description="PLAsTiCC class number of the most probable class.")] = None,
    probability: Annotated[float, Query(ge=0, le=1, description="Of that class, at least.")] = 0.0,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Summaries:
    """Objects by their latest alert, the newest first."""
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.newest(index, Filters(survey, best, probability), cursor, limit))
    return Summaries(objects=[summary(row) for row in found.rows], cursor=found.cursor)


@router.get("/api/objects/{survey}/{name:path}", tags=["objects"], response_model=Object, responses=FILES)
def object_(request: Request, survey: str, name: str, form: Form = "json") -> Object | Response:
    """One object: its classifications, oldest first, and its light curve; or the light curve alone as a file."""
    return FORMS[form](request, survey, name)


@router.get("/api/object", tags=["objects"], response_model=Object, responses=FILES)
def object_named(
    request: Request,
    survey: str,
    id: str,  # noqa: A002 - the asker's word
    form: Form = "json",
) -> Object | Response:
    """The same of an object whose id no path can hold, such as one of dots alone; any id may be asked for this way."""
    return FORMS[form](request, survey, id)


def as_json(request: Request, survey: str, name: str) -> Object:
    """An object. Raises HTTPException 404 where the index does not know it."""
    row, said, curve, trouble = looked_up(request, survey, name, MOST_ANSWERS)
    return Object(
        summary=summary(row), answers=[answer(a) for a in said], light_curve=observed(survey, curve), trouble=trouble
    )


def as_csv(request: Request, survey: str, name: str) -> Response:
    """Its light curve: mjd (TAI), band, flux and flux_err [nJy], magnitude, detected, and how deep a limit is."""
    found = with_curve(request, survey, name)
    text = io.StringIO()
    columns = ("mjd", "band", "flux", "flux_err", "magnitude", "magnitude_err", "detected", "kind", "depth")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in found.light_curve)
    return attached(text.getvalue().encode(), "text/csv; charset=utf-8", f"{survey}-{name}.csv")


def as_avro(request: Request, survey: str, name: str) -> Response:
    """Its light curve as one native alert (schemas/observation) in an Avro container: it can be replayed."""
    found = with_curve(request, survey, name)
    rows = [
        {"mjd": row.mjd, "band": row.band, "flux": row.flux, "fluxErr": row.flux_err, "detected": row.detected}
        for row in found.light_curve
    ]
    last = found.answers[-1] if found.answers else None
    record: dict[str, Any] = {
        **rows[-1],
        "alertId": int(last.alert_id) if last else 1,
        "objectId": name,
        "survey": survey,
        "ra": found.summary.ra,
        "dec": found.summary.dec,
        "history": rows[:-1],
    }
    stream = io.BytesIO()
    fastavro.writer(stream, load("observation"), [record])
    return attached(stream.getvalue(), "application/avro", f"{survey}-{name}.avro")


FORMS: dict[str, Callable[[Request, str, str], Object | Response]] = {
    "json": as_json,
    "csv": as_csv,
    "avro": as_avro,
}


@router.get("/api/why/{number}", tags=["objects"])
def why_(request: Request, number: Annotated[int, Path(ge=0, lt=2**63)]) -> Why:
    """Why an answer was what it was, computed anew from its light curve; one at a time, in some seconds."""
    parts = request.app.state.parts
    with parts.index.reading() as index:
        said = queries.alert_of(index, number)
    if said is None:
        raise HTTPException(404, "the index has no such answer")
    try:
        found: Why = parts.reasons.of(answer(said))
    except UnknownReason as error:
        raise HTTPException(503, str(error)) from None
    return found


def with_curve(request: Request, survey: str, name: str) -> Object:
    """An object that has a light curve. Raises HTTPException 404 where there is none, 503 where Redis is away."""
    found = as_json(request, survey, name)
    if found.trouble:
        raise HTTPException(503, f"the light curve cannot be read: {found.trouble}")
    if not found.light_curve:
        raise HTTPException(404, "there is no light curve of it in the store")
    return found


def looked_up(request: Request, survey: str, name: str, most: int) -> tuple[Row, list[Row], NDArray[np.void], str]:
    """An object, its newest answers, its light curve [T] of dtype OBSERVATION, and why that is missing.

    Raises HTTPException 404 for an object that the index does not know.
    """
    parts = request.app.state.parts
    with parts.index.reading() as index:
        row = queries.object_of(index, survey, name)
        said = queries.answers(index, survey, name, most) if row else []
    if row is None:
        raise HTTPException(404, f"nothing was said of {survey}/{name} as far as this index reaches")
    try:
        return row, said, parts.curves.of([f"{survey}/{name}"])[0], ""
    except TransientError as error:
        return row, said, np.empty(0, OBSERVATION), str(error)


@router.get("/api/search", tags=["lists"])
def search(
    request: Request,
    text: Annotated[str, Query(min_length=1, max_length=300)],
    cursor: KeyCursor = None,
    limit: Limit = PAGE,
) -> Summaries:
    """Objects whose id is a text or begins with it, in any survey, by their ids; survey/id names one."""
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.named(index, text, cursor, limit))
    return Summaries(objects=[summary(row) for row in found.rows], cursor=found.cursor)


@router.get("/api/cone", tags=["lists"])
def cone(
    request: Request,
    ra: Annotated[float, Query(ge=0, le=360, description="[deg]")],
    dec: Annotated[float, Query(ge=-90, le=90, description="[deg]")],
    radius: Annotated[float, Query(gt=0, le=2, description="[deg]")] = 0.01,
    cursor: KeyCursor = None,
    limit: Limit = PAGE,
) -> Summaries:
    """Objects around a place, the nearest first."""
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.within(index, ra, dec, radius, cursor, limit))
    return Summaries(objects=[summary(row) for row in found.rows], cursor=found.cursor)


@router.get("/api/anomalies", tags=["lists"])
def anomalies(
    request: Request,
    since_ms: Annotated[int, Query(ge=0, lt=2**63, description="Published since then [ms since 1970].")] = 0,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Answers:
    """Classifications with the anomaly flag, the newest first."""
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.anomalies(index, since_ms, cursor, limit))
    return Answers(answers=[answer(row) for row in found.rows], cursor=found.cursor)


@router.get("/api/anomalies/objects", tags=["lists"])
def anomalous(
    request: Request,
    since_ms: Annotated[int, Query(ge=0, lt=2**63, description="Published since then [ms since 1970].")] = 0,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> FlaggedObjects:
    """Objects with the anomaly flag, by their latest alert that has it, the newest first."""
    with request.app.state.parts.index.reading() as index:
        found = asked(lambda: queries.anomalous(index, since_ms, cursor, limit))
    return FlaggedObjects(objects=[flagged(row) for row in found.rows], cursor=found.cursor)


@router.get("/api/risers", tags=["lists"])
def risers(request: Request, cursor: KeyCursor = None, limit: Limit = PAGE) -> RisersFound:
    """Which of the objects that were seen last brighten fastest; looked at every ten seconds at most."""
    found = request.app.state.parts.risers.found()
    part = asked(lambda: found.page(cursor, limit))
    risers = [Riser(summary=row["summary"], sigma_a_day=row["sigma_a_day"]) for row in part.rows]
    return RisersFound(risers=risers, trouble=found.trouble, cursor=part.cursor)


def attached(content: bytes, kind: str, name: str) -> Response:
    """A file to be saved, under a name that no shell, header or file system takes for anything else."""
    stem, dot, kind_of_file = name.rpartition(".")
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in stem)
    plain = safe[:LONGEST_NAME].lstrip(".-") + dot + kind_of_file
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{plain}"'})
