"""ZTF's alerts, versions 1.3 to 4.02: which fields are read, and what they mean.

A magnitude becomes a difference flux in nJy, F = s 10^(0.4 (31.4 - magpsf)) with the sign s of isdiffpos and the error
0.4 ln(10) |F| sigmapsf; forced photometry does so with its own zero point, F = f 10^(0.4 (31.4 - magzpsci)); an upper
limit, five sigma deep, is F = 0 with the error 10^(0.4 (31.4 - diffmaglim)) / 5. Only detections count as detected.

A detection stands in the alert that it makes and in the histories of later ones, and is one observation (law 4). The
histories have magpsf to four decimals and sigmapsf to six, so the alert's own are rounded to these, by less than a
fiftieth of ZTF's smallest errors. They do not have the exposure, so every one is taken for the public survey's 30 s:
the middle of a longer one is wrong by a minute or two, but is the same time wherever it stands.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.names import ZTF
from broker.surveys.adapted import Adapted
from broker.surveys.checks import Check, Floats, Measured, each, latest_mjd, named, nothing, observed, sift, within
from broker.surveys.columns import Columns, Rows, Values
from broker.surveys.fields import Field, Fields, Kind, Table, inside
from broker.surveys.places import deep
from broker.surveys.rows import Past, alerts_of, nothing_known, table
from model.observation import BANDS

ZERO_POINT = 31.4  # mag AB of 1 nJy
EXPOSURE_S = 30.0
TAI_UTC_S = 37.0  # since 2017, before ZTF's first light
MJD_0 = 2_400_000.5  # as a Julian date
UNKNOWN = -99_999.0  # in forced photometry
LIMIT_SIGMA = 5.0
MAG_DECIMALS, SIGMA_DECIMALS = 4, 6  # of histories

FILTERS = np.array([-1, BANDS.index("g"), BANDS.index("r"), BANDS.index("i")], np.int8)  # by fid
SIGNS = np.array([1.0, 1.0, -1.0, -1.0, np.nan])  # by isdiffpos; the last for any other text

DETECTION = {
    "jd": Field(("jd",), Kind.DOUBLE),
    "fid": Field(("fid",), Kind.LONG),
    "candid": Field(("candid",), Kind.LONG),
    "magpsf": Field(("magpsf",), Kind.DOUBLE),
    "sigmapsf": Field(("sigmapsf",), Kind.DOUBLE),
    "isdiffpos": Field(("isdiffpos",), Kind.TEXT, choices=(b"t", b"1", b"f", b"0")),
}
FORCED = {
    "jd": Field(("jd",), Kind.DOUBLE),
    "fid": Field(("fid",), Kind.LONG),
    "flux": Field(("forcediffimflux",), Kind.DOUBLE),
    "error": Field(("forcediffimfluxunc",), Kind.DOUBLE),
    "zero_point": Field(("magzpsci",), Kind.DOUBLE),
}
FIELDS: Fields = {
    "objectId": Field(("objectId",), Kind.TEXT),
    **inside("candidate", DETECTION),
    "ra": Field(("candidate.ra",), Kind.DOUBLE),
    "dec": Field(("candidate.dec",), Kind.DOUBLE),
    "earlier": Table(("prv_candidates",), DETECTION | {"limit": Field(("diffmaglim",), Kind.DOUBLE)}, required=True),
    "forced": Table(("fp_hists",), FORCED, since=4),
}
NAMES = ("candidate.jd as MJD", "candidate.magpsf as nJy", "candidate.sigmapsf as nJy", "candidate.fid")


def alerts(columns: Columns, message: NDArray[np.int64], sent_ms: NDArray[np.int64]) -> Adapted:
    """The fates of n packets; none is declined.

    Args:
        columns: of the packets, as FIELDS names them.
        message: [n], which message of the batch each packet was.
        sent_ms: [n], when it was sent [ms since 1970]; 0 or less where nobody says.
    """
    values, latest = columns.values, latest_mjd(sent_ms)
    told = detections(values)
    sign = values["isdiffpos"]
    checks = [
        Check("candidate.candid", values["candid"] != 0, values["candid"], "a number other than 0"),
        Check("objectId", each(values["objectId"], named), values["objectId"], "1 to 256 bytes, printable"),
        within("candidate.ra", values["ra"], 0.0, 360.0),
        within("candidate.dec", values["dec"], -90.0, 90.0),
        Check("candidate.isdiffpos", sign >= 0, columns.told["isdiffpos"], "one of t 1 f 0"),
        Check("candidate.fid", told.band >= 0, values["fid"], "one of 1 2 3"),
        *observed(told, latest, NAMES, nothing),
    ]
    good, poisons = sift(message, np.ones(len(message), np.bool_), checks)
    places_deg = np.stack([values["ra"], values["dec"]], axis=1)
    contexts = nothing_known(len(message))
    contexts["ddf"] = deep(places_deg)
    pasts = [earlier(columns.tables["earlier"], latest), forced(columns.tables["forced"], latest)]
    found = alerts_of(
        message,
        sent_ms,
        good,
        alert_ids=values["candid"],
        objects=[b"%b/%b" % (ZTF, name) for name in values["objectId"]],
        own=table(told, detected=True),
        pasts=pasts,
        contexts=contexts,
        places_deg=places_deg,
    )
    return Adapted(found, np.empty(0, np.int64), poisons, sum(past.left_out for past in pasts))


def earlier(rows: Rows, latest: Floats) -> Past:
    """The detections and upper limits [m] of prv_candidates: a row without a candid is a limit."""
    values, is_limit = rows.values, rows.missing["candid"]
    told = detections(values)
    flux = np.where(is_limit, 0.0, told.flux_njy)
    error = np.where(is_limit, linear(values["limit"]) / LIMIT_SIGMA, told.flux_err_njy)
    return Past.of(told._replace(flux_njy=flux, flux_err_njy=error), rows.ends, latest, detected=~is_limit)


def forced(rows: Rows, latest: Floats) -> Past:
    """The forced photometry [m] of fp_hists, each row with its own zero point; what is unknown is -99999."""
    values = rows.values
    known = (values["flux"] != UNKNOWN) & (values["error"] != UNKNOWN) & (values["zero_point"] != UNKNOWN)
    unit_njy = linear(values["zero_point"])
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is left out
        told = Measured(
            mjd_tai(values["jd"]), values["flux"] * unit_njy, values["error"] * unit_njy, band_of(values["fid"])
        )
    return Past.of(told, rows.ends, latest, detected=False, wanted=known)


def detections(values: Values) -> Measured:
    """The observations of candidates [n]."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused
        flux = linear(values["magpsf"].round(MAG_DECIMALS))
        error = 0.4 * np.log(10) * flux * values["sigmapsf"].round(SIGMA_DECIMALS)
    return Measured(mjd_tai(values["jd"]), SIGNS[values["isdiffpos"]] * flux, error, band_of(values["fid"]))


def linear(magnitudes: Floats) -> Floats:
    """AB magnitudes [n] as fluxes [nJy]; infinite where too bright."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.power(10.0, 0.4 * (ZERO_POINT - magnitudes))


def mjd_tai(jd_utc: Floats) -> Floats:
    """The middle [MJD, TAI] of exposures that begin then [JD, UTC]. [n]."""
    return jd_utc - MJD_0 + (EXPOSURE_S / 2 + TAI_UTC_S) / 86_400


def band_of(fid: NDArray[Any]) -> NDArray[np.int8]:
    """Bands [n] of filter ids [n]; -1 of one that ZTF does not have."""
    return FILTERS[np.where((fid >= 1) & (fid < len(FILTERS)), fid, 0)]
