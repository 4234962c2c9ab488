"""ELAsTiCC's alerts, versions 0.9 and 0.9.1: which fields are read, and what they mean.

Fluxes are in nJy: against the truth's peak magnitudes the zero point is 31.4, not PLAsTiCC's 27.5. Times are
mid-exposure TAI, of a simulated survey that lies in the future of those who sent it: they are not compared with the
message's own. The object brings photo-z and dust; a photo-z outside (0, 10) is one that nobody knows. Limits (0.9) are
the noise of images in which nothing was seen.
"""

import numpy as np
from numpy.typing import NDArray

from broker.names import ELASTICC
from broker.surveys.adapted import Adapted
from broker.surveys.checks import Check, Floats, Measured, observed, sift, within
from broker.surveys.columns import Columns, Values
from broker.surveys.fields import Field, Fields, Kind, Table, inside
from broker.surveys.places import deep
from broker.surveys.rows import Past, alerts_of, nothing_known, table
from model.bounds import LARGEST_MWEBV, LARGEST_PHOTOZ, LATEST_MJD
from model.observation import BANDS

LARGEST_TOLD_PHOTOZ = 10.0

VISIT = {
    "mjd": Field(("midPointTai",), Kind.DOUBLE),
    "band": Field(("filterName",), Kind.TEXT, choices=(*(band.encode() for band in BANDS), b"Y")),
}
SOURCE = {**VISIT, "flux": Field(("psFlux",), Kind.DOUBLE), "error": Field(("psFluxErr",), Kind.DOUBLE)}
FIELDS: Fields = {
    "alert": Field(("alertId",), Kind.LONG),
    **inside("diaSource", SOURCE),
    "object": Field(("diaSource.diaObjectId",), Kind.LONG),
    "ra": Field(("diaSource.ra",), Kind.DOUBLE),
    "dec": Field(("diaSource.decl",), Kind.DOUBLE),
    "summary": Field(("diaObject.diaObjectId",), Kind.LONG),
    "photoz": Field(("diaObject.hostgal_zphot",), Kind.DOUBLE),
    "photoz_err": Field(("diaObject.hostgal_zphot_err",), Kind.DOUBLE),
    "mwebv": Field(("diaObject.mwebv",), Kind.DOUBLE),
    "sources": Table(("prvDiaSources",), SOURCE, required=True),
    "forced": Table(("prvDiaForcedSources",), SOURCE, required=True),
    "limits": Table(("prvDiaNondetectionLimits",), {**VISIT, "error": Field(("diaNoise",), Kind.DOUBLE)}),
}
NAMES = ("diaSource.midPointTai", "diaSource.psFlux", "diaSource.psFluxErr", "diaSource.filterName")


def alerts(columns: Columns, message: NDArray[np.int64], sent_ms: NDArray[np.int64]) -> Adapted:
    """The fates of n packets; none is declined.

    Args:
        columns: of the packets, as FIELDS names them.
        message: [n], which message of the batch each packet was.
        sent_ms: [n], when it was sent [ms since 1970]; 0 or less where nobody says.
    """
    values, latest = columns.values, np.full(len(message), LATEST_MJD)
    objects = np.where(values["object"] != 0, values["object"], values["summary"])
    told = measured(values)
    checks = [
        Check("diaObjectId", objects > 0, objects, "a number of at least 1"),
        Check("alertId", values["alert"] > 0, values["alert"], "a number of at least 1"),
        within("diaSource.ra", values["ra"], 0.0, 360.0),
        within("diaSource.decl", values["dec"], -90.0, 90.0),
        *observed(told, latest, NAMES, columns.told["band"]),
    ]
    good, poisons = sift(message, np.ones(len(message), np.bool_), checks)
    places_deg = np.stack([values["ra"], values["dec"]], axis=1)
    pasts = []
    for name, detected in (("sources", True), ("forced", False), ("limits", False)):
        rows = columns.tables[name]
        pasts.append(Past.of(measured(rows.values), rows.ends, latest, detected=detected))
    found = alerts_of(
        message,
        sent_ms,
        good,
        alert_ids=values["alert"],
        objects=[b"%b/%d" % (ELASTICC, one) for one in objects.tolist()],
        own=table(told, detected=True),
        pasts=pasts,
        contexts=contexts_of(values, places_deg),
        places_deg=places_deg,
    )
    return Adapted(found, np.empty(0, np.int64), poisons, sum(past.left_out for past in pasts))


def measured(values: Values) -> Measured:
    """The observations of sources [n]; a limit has no flux, which is 0 then."""
    band = np.minimum(values["band"], np.int8(BANDS.index("y")))  # Y is y
    flux = values.get("flux", np.zeros(len(band)))
    return Measured(values["mjd"], flux, values["error"], band)


def contexts_of(values: Values, places_deg: Floats) -> NDArray[np.void]:
    """What is known of objects [n], of dtype CONTEXT."""
    photoz, error, mwebv = values["photoz"], values["photoz_err"], values["mwebv"]
    known = (photoz > 0) & (photoz < LARGEST_TOLD_PHOTOZ)
    contexts = nothing_known(len(photoz))
    contexts["host_photoz"] = np.where(known, photoz, np.nan)
    contexts["host_photoz_err"] = np.where(known & (error >= 0) & (error <= LARGEST_PHOTOZ), error, np.nan)
    contexts["mwebv"] = np.where((mwebv >= 0) & (mwebv <= LARGEST_MWEBV), mwebv, np.nan)
    contexts["ddf"] = deep(places_deg)
    return contexts
