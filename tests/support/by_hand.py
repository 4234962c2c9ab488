"""What surveys' records mean, read by hand: one record at a time, in plain Python, with formulas of its own.

The service is compared with it, so nothing here is shared with `broker/surveys`.
"""

from math import isnan, log
from typing import Any, NamedTuple

Record = dict[str, Any]
Row = tuple[float, float, float, str, bool]  # time [MJD TAI], flux and its error [nJy], band, detected


class Reading(NamedTuple):
    """A packet's meaning."""

    object_id: str
    alert_id: int
    ra_deg: float
    dec_deg: float
    own: Row
    history: list[Row]
    photoz: float = float("nan")
    photoz_err: float = float("nan")
    mwebv: float = float("nan")


def read_rubin(record: Record) -> Reading:
    def row(source: Record, detected: bool) -> Row:
        return source["midpointMjdTai"], source["psfFlux"], source["psfFluxErr"], source["band"], detected

    def kept(source: Record) -> bool:
        withdrawn = source.get("timeWithdrawnMjdTai")
        return (withdrawn is None or isnan(withdrawn) or withdrawn <= 0) and source["psfFluxErr"] > 0

    source = record["diaSource"]
    past = [row(s, True) for s in record["prvDiaSources"] or () if kept(s)]
    past += [row(s, False) for s in record["prvDiaForcedSources"] or () if kept(s)]
    return Reading(
        f"rubin/{source['diaObjectId'] or record['diaObject']['diaObjectId']}",
        record["diaSourceId"] if "diaSourceId" in record else record["alertId"],
        source["ra"],
        source["dec"],
        row(source, True),
        past,
    )


def read_ztf(record: Record) -> Reading:
    def time(row: Record) -> float:
        return row["jd"] - 2400000.5 + (30 / 2 + 37) / 86400

    def detection(row: Record) -> Row:
        sign = {"t": 1, "1": 1, "f": -1, "0": -1}[row["isdiffpos"]]
        flux = sign * 10 ** (0.4 * (31.4 - round(row["magpsf"], 4)))
        return time(row), flux, 0.4 * log(10) * abs(flux) * round(row["sigmapsf"], 6), " gri"[row["fid"]], True

    past = []
    for row in record["prv_candidates"] or ():
        if row["candid"] is not None:
            past.append(detection(row))
        elif row["diffmaglim"] is not None:
            past.append((time(row), 0.0, 10 ** (0.4 * (31.4 - row["diffmaglim"])) / 5, " gri"[row["fid"]], False))
    for row in record.get("fp_hists") or ():
        flux, error, zero = (row[name] for name in ("forcediffimflux", "forcediffimfluxunc", "magzpsci"))
        if not any(v is None or isnan(v) or v == -99999 for v in (flux, error, zero)) and error > 0:
            unit = 10 ** (0.4 * (31.4 - zero))
            past.append((time(row), flux * unit, error * unit, " gri"[row["fid"]], False))
    own = record["candidate"]
    return Reading(f"ztf/{record['objectId']}", record["candid"], own["ra"], own["dec"], detection(own), past)


def read_elasticc(record: Record) -> Reading:
    def row(source: Record, detected: bool) -> Row:
        return source["midPointTai"], source["psFlux"], source["psFluxErr"], source["filterName"].lower(), detected

    source, host = record["diaSource"], record["diaObject"]
    past = [row(s, True) for s in record["prvDiaSources"] or ()]
    past += [row(s, False) for s in record["prvDiaForcedSources"] or ()]
    known = 0 < host["hostgal_zphot"] < 10
    return Reading(
        f"elasticc/{source['diaObjectId']}",
        record["alertId"],
        source["ra"],
        source["decl"],
        row(source, True),
        past,
        host["hostgal_zphot"] if known else float("nan"),
        host["hostgal_zphot_err"] if known else float("nan"),
        host["mwebv"],
    )


READ_BY_HAND = {"rubin": read_rubin, "ztf": read_ztf, "elasticc": read_elasticc}
