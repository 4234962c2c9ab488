"""Rubin's alerts, versions 7.0 to 11.1: which fields are read, and what they mean.

Missing is NaN or 0, hardly ever null. Fluxes are in nJy, times mid-exposure TAI. A source that Rubin has withdrawn is
no observation, and an alert of one is declined, as is an alert of the solar system: neither has a light curve to add
to. Forced photometry repeats the visit of each detection, under another id and with another flux: it is not detected,
so the detection wins (law 4). Rubin tells of no redshift and no dust.
"""

import numpy as np
from numpy.typing import NDArray

from broker.names import RUBIN
from broker.surveys.adapted import Adapted
from broker.surveys.checks import Check, Flags, Measured, latest_mjd, observed, sift, within
from broker.surveys.columns import Columns, Values
from broker.surveys.fields import Field, Fields, Kind, Table, inside
from broker.surveys.places import deep
from broker.surveys.rows import Past, alerts_of, nothing_known, table
from model.observation import BANDS

SOURCE = {
    "mjd": Field(("midpointMjdTai",), Kind.DOUBLE),
    "flux": Field(("psfFlux",), Kind.DOUBLE),
    "error": Field(("psfFluxErr",), Kind.DOUBLE),
    "band": Field(("band",), Kind.TEXT, choices=tuple(band.encode() for band in BANDS)),
    "withdrawn": Field(("timeWithdrawnMjdTai", "timeWithdrawn"), Kind.DOUBLE, required=False, since=9),
}


FIELDS: Fields = {
    "alert": Field(("diaSourceId", "alertId"), Kind.LONG),
    **inside("diaSource", SOURCE),
    "object": Field(("diaSource.diaObjectId",), Kind.LONG),
    "solar": Field(("diaSource.ssObjectId",), Kind.LONG),
    "ra": Field(("diaSource.ra",), Kind.DOUBLE),
    "dec": Field(("diaSource.dec",), Kind.DOUBLE),
    "summary": Field(("diaObject.diaObjectId",), Kind.LONG),
    "sources": Table(("prvDiaSources",), SOURCE, required=True),
    "forced": Table(("prvDiaForcedSources",), SOURCE, required=True),
}
NAMES = ("diaSource.midpointMjdTai", "diaSource.psfFlux", "diaSource.psfFluxErr", "diaSource.band")


def alerts(columns: Columns, message: NDArray[np.int64], sent_ms: NDArray[np.int64]) -> Adapted:
    """The fates of n packets.

    Args:
        columns: of the packets, as FIELDS names them.
        message: [n], which message of the batch each packet was.
        sent_ms: [n], when it was sent [ms since 1970]; 0 or less where nobody says.
    """
    values, latest = columns.values, latest_mjd(sent_ms)
    objects = np.where(values["object"] != 0, values["object"], values["summary"])
    declined = (values["solar"] != 0) | (objects == 0) | withdrawn(values)
    told = measured(values)
    checks = [
        Check("diaObjectId", objects > 0, objects, "a number of at least 1"),
        Check("diaSourceId", values["alert"] > 0, values["alert"], "a number of at least 1"),
        within("diaSource.ra", values["ra"], 0.0, 360.0),
        within("diaSource.dec", values["dec"], -90.0, 90.0),
        *observed(told, latest, NAMES, columns.told["band"]),
    ]
    good, poisons = sift(message, ~declined, checks)
    places_deg = np.stack([values["ra"], values["dec"]], axis=1)
    contexts = nothing_known(len(message))
    contexts["ddf"] = deep(places_deg)
    pasts = []
    for name, detected in (("sources", True), ("forced", False)):
        rows = columns.tables[name]
        pasts.append(
            Past.of(measured(rows.values), rows.ends, latest, detected=detected, wanted=~withdrawn(rows.values))
        )
    found = alerts_of(
        message,
        sent_ms,
        good,
        alert_ids=values["alert"],
        objects=[b"%b/%d" % (RUBIN, one) for one in objects.tolist()],
        own=table(told, detected=True),
        pasts=pasts,
        contexts=contexts,
        places_deg=places_deg,
    )
    return Adapted(found, message[declined], poisons, sum(past.left_out for past in pasts))


def measured(values: Values) -> Measured:
    """The observations of sources [n]."""
    return Measured(values["mjd"], values["flux"], values["error"], values["band"])


def withdrawn(values: Values) -> Flags:
    """Which sources [n] Rubin has withdrawn: those with a time at which it did, which NaN and 0 are not."""
    return np.isfinite(values["withdrawn"]) & (values["withdrawn"] > 0)
