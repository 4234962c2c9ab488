"""Alerts in the form that SkyPortal's generic broker provider asks for: GET /alerts and /alerts/{id}.

The fields are those of the packets that are passed on (broker/outputs/passed_on.py): prv_candidates are the detections,
fp_hists forced photometry; prv_nondetections are the limits of surveys that tell them. Fluxes are true nJy, zero point
31.4, of every survey.
An object is one record, that of its latest alert, with its light curve as far as it is known.
"""

from math import log10
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from numpy.typing import NDArray

from broker.errors import TransientError
from broker.surveys.limits import DEPTH_SIGMA, limits
from broker.web import queries
from broker.web.asking import Whole, asked
from broker.web.index import Row
from broker.web.lightcurve import ZERO_POINT_NJY
from broker.web.queries import LONGEST_PAGE, PAGE, Filters
from broker.web.shapes import Named, SkyAlert, SkyCandidate, SkyLimit, SkyPoint
from broker.web.views import class_named
from model.observation import BANDS
from model.taxonomy import CLASS_IDS

router = APIRouter(tags=["SkyPortal"])

JD_OF_MJD = 2_400_000.5
POINTS_IN_A_LIST = 2_000  # of each object
SURVEYS = {"ztf": "ZTF", "rubin": "LSST"}  # as SkyPortal calls them
UNITS = {"deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}  # [deg]


@router.get("/alerts")
def alerts(
    request: Request,
    response: Response,
    objectId: Annotated[str | None, Query(max_length=300)] = None,  # noqa: N803 - SkyPortal's name
    candid: Annotated[Whole | None, Query(description="Number of an alert.")] = None,
    ra: Annotated[float | None, Query(ge=0, le=360, description="[deg]")] = None,
    dec: Annotated[float | None, Query(ge=-90, le=90, description="[deg]")] = None,
    radius: Annotated[float, Query(gt=0, le=7200, description="In radius_units, at most 2 deg.")] = 10.0,
    radius_units: Literal["deg", "arcmin", "arcsec"] = "arcsec",
    cursor: Annotated[str | None, Query(max_length=10_000, description="Of the answer before, in its Link.")] = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = PAGE,
) -> list[SkyAlert]:
    """The latest alerts of objects: of an id, of an alert's number, of a cone, or the newest of all.

    Where there are more, the answer has the header Link with rel="next". Objects of unknown place are left out.
    """
    with request.app.state.parts.index.reading() as index:
        if objectId is not None:
            found = asked(lambda: queries.of_id(index, objectId, cursor, limit))
        elif candid is not None:
            found = asked(lambda: queries.of_alert(index, candid, cursor, limit))
        elif ra is not None and dec is not None:
            found = asked(lambda: queries.within(index, ra, dec, radius * UNITS[radius_units], cursor, limit))
        elif ra is not None or dec is not None:
            raise HTTPException(422, "a cone has ra and dec")
        else:
            found = asked(lambda: queries.newest(index, Filters(), cursor, limit))
        rows = [row for row in found.rows if placed(row)]
        last = [queries.alert_of(index, row["answer"]) for row in rows]
    if found.cursor is not None:
        there = request.url.include_query_params(cursor=found.cursor)
        response.headers["Link"] = f'<{there.path}?{there.query}>; rel="next"'
    return described(request, rows, last, POINTS_IN_A_LIST)


def placed(row: Row) -> bool:
    """Whether the place of an object on the sky is known."""
    return row["ra"] is not None and row["dec"] is not None


@router.get("/alerts/{name:path}")
def alert(request: Request, name: str) -> SkyAlert:
    """The latest alert of one object with its light curve: by the object's id, survey/id, or an alert's number."""
    with request.app.state.parts.index.reading() as index:
        rows = queries.of_id(index, name, limit=1).rows
        if not rows and name.isascii() and name.isdecimal() and int(name) < 2**63:
            rows = queries.of_alert(index, int(name), limit=1).rows
        last = [queries.alert_of(index, row["answer"]) for row in rows]
    if not rows:
        raise HTTPException(404, f"nothing was said of {name} as far as this index reaches")
    if not placed(rows[0]):
        raise HTTPException(404, f"no alert of {name} tells its place on the sky, and nobody could point at it")
    return described(request, rows, last, None)[0]


def described(request: Request, rows: list[Row], last: list[Row | None], most: int | None) -> list[SkyAlert]:
    """Objects [n] with their latest answers [n] as SkyPortal reads them. Raises HTTPException where Redis is away."""
    names = [f"{row['survey']}/{row['object']}" for row in rows]
    try:
        curves = request.app.state.parts.curves.of(names, most) if names else []
    except TransientError as error:
        raise HTTPException(503, f"the light curves cannot be read: {error}") from None
    together = zip(rows, last, curves, strict=True)
    return [record(row, said, curve) for row, said, curve in together if said is not None]


def record(row: Row, said: Row, curve: NDArray[np.void]) -> SkyAlert:
    """An object, its latest answer and its light curve [T] as one record."""
    points = [point(one) for one in curve]
    seen, limit = curve["detected"].astype(bool), limits(row["survey"], curve)
    own = own_point(curve, said["mjd"])
    values: dict[str, Any] = points[own].model_dump() if own is not None else {"jd": said["mjd"] + JD_OF_MJD}
    return SkyAlert(
        objectId=row["object"],
        candid=said["alert"],
        survey=SURVEYS.get(row["survey"], row["survey"]),
        candidate=SkyCandidate(ra=row["ra"], dec=row["dec"], candid=said["alert"], **values),
        prv_candidates=[points[i] for i in np.flatnonzero(seen)],
        fp_hists=[points[i] for i in np.flatnonzero(~seen & ~limit)],
        prv_nondetections=[nondetection(one) for one in curve[limit]],
        classifications=chances(said),
        classifierName=said["model"],
        classifierVersion=said["version"],
    )


def own_point(curve: NDArray[np.void], mjd: float) -> int | None:
    """Which of the observations [T] an alert of a time is about: a detection before another; None if none is there."""
    there = np.flatnonzero(np.abs(curve["mjd_tai"] - mjd) < 1e-6)
    return max(there.tolist(), key=lambda i: bool(curve["detected"][i]), default=None)


def point(row: np.void) -> SkyPoint:
    """An observation."""
    return SkyPoint(
        jd=float(row["mjd_tai"]) + JD_OF_MJD,
        band=BANDS[row["band"]],
        psfFlux=float(row["flux_njy"]),
        psfFluxErr=float(row["flux_err_njy"]),
    )


def nondetection(row: np.void) -> SkyLimit:
    """A limit: no flux, its error, and how deep it is."""
    depth_njy = DEPTH_SIGMA * float(row["flux_err_njy"])
    return SkyLimit(
        jd=float(row["mjd_tai"]) + JD_OF_MJD,
        band=BANDS[row["band"]],
        psfFluxErr=float(row["flux_err_njy"]),
        diffmaglim=round(ZERO_POINT_NJY - 2.5 * log10(depth_njy), 4),
    )


def chances(said: Row) -> list[Named]:
    """The class probabilities of an answer, in the order of the taxonomy."""
    found = np.frombuffer(said["probabilities"], np.float32).tolist()
    return [class_named(number, chance) for number, chance in zip(CLASS_IDS, found, strict=True)]
