"""Light curves as ZTF would have sent them: g, r and i, an alert a detection, and what 30 days before it showed.

A packet has the detections of those days and, where nothing was found, limits; and forced photometry of the same
visits, in counts, each row with its own zero point, but none of the triggering visit. Fluxes are as the file has them:
an object too faint for ZTF gets magnitudes that ZTF would not have measured. Formulas: the inverse of `surveys.ztf`.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from broker.replays.packet import (
    Framed,
    Packet,
    Record,
    Schema,
    blank,
    container,
    many,
    number_for,
    optional,
    position,
    ready_schema,
    record_type,
)

ZERO_POINT = 31.4  # mag AB of 1 nJy
MAG = 2.5 / math.log(10)  # 1.0857: an error relative to the flux, in magnitudes
FILTERS = {"g": 1, "r": 2, "i": 3}
EXPOSURE_S, TAI_UTC_S, DAY_S = 30.0, 37.0, 86_400.0
JD_MJD = 2_400_000.5
HISTORY_DAYS = 30.0
LIMIT_SIGMA = 5 * 1.6  # a limit is of 5 sigma, of noise that is 1.6 times that of a forced flux in real packets
CANDIDATES_FROM = 2_000_000_000_000_000_000
NAMES = 26**7

CANDIDATE = {
    "jd": "double", "fid": "int", "pid": "long", "diffmaglim": optional("float"), "programid": "int",
    "candid": "long", "isdiffpos": "string", "rcid": optional("int"), "field": optional("int"), "ra": "double",
    "dec": "double", "magpsf": "float", "sigmapsf": "float", "rb": optional("float"), "drb": optional("float"),
    "ndethist": "int", "magzpsci": optional("float"), "exptime": optional("float"),
}  # fmt: skip
PAST = {
    "jd": "double", "fid": "int", "pid": "long", "diffmaglim": optional("float"), "programid": "int",
    "candid": optional("long"), "isdiffpos": optional("string"), "rcid": optional("int"), "field": optional("int"),
    "ra": optional("double"), "dec": optional("double"), "magpsf": optional("float"), "sigmapsf": optional("float"),
    "rb": optional("float"), "magzpsci": optional("float"),
}  # fmt: skip
FORCED = {
    "field": optional("int"), "rcid": optional("int"), "fid": "int", "pid": "long", "magzpsci": optional("float"),
    "exptime": optional("float"), "diffmaglim": optional("float"), "programid": "int", "jd": "double",
    "forcediffimflux": optional("float"), "forcediffimfluxunc": optional("float"), "procstatus": optional("string"),
}  # fmt: skip
CUTOUT = record_type("ztf.alert.cutout", fileName="string", stampData="bytes")
SCHEMA: Schema = record_type(
    "ztf.alert",
    schemavsn="string",
    publisher="string",
    objectId="string",
    candid="long",
    candidate=record_type("ztf.alert.candidate", **CANDIDATE),
    prv_candidates=many(record_type("ztf.alert.prv_candidate", **PAST)),
    fp_hists=many(record_type("ztf.alert.fp_hist", **FORCED)),
    cutoutScience=optional(CUTOUT),
    cutoutTemplate=optional("ztf.alert.cutout"),
    cutoutDifference=optional("ztf.alert.cutout"),
)
HEAD = {"schemavsn": "4.02", "publisher": "misweeper replay"}


@dataclass(slots=True)
class Month:
    """What the last 30 days have shown of an object."""

    sources: list[Record] = field(default_factory=list)
    forced: list[Record] = field(default_factory=list)


def ztf_packets(records: Iterable[Record], framed: Callable[[Schema, Record], Framed] = container) -> Iterator[Packet]:
    """A packet a detection in g, r or i, of native alerts in time order. Raises StartupError without a position."""
    schema = ready_schema(SCHEMA)
    nothing = dict.fromkeys(PAST) | {"programid": 1}
    known: defaultdict[str, Month] = defaultdict(Month)
    for record in records:
        if record["band"] not in FILTERS:
            continue
        past = known[record["objectId"]]
        visit = visited(record)
        detected = record["detected"] and record["flux"] != 0  # a flux of 0 has no magnitude
        found = found_row(record) if detected else {}
        if detected:
            oldest = visit["jd"] - HISTORY_DAYS
            past.sources, past.forced = since(past.sources, oldest), since(past.forced, oldest)
            candidate = blank(SCHEMA["fields"][4]["type"]["fields"]) | visit | found | {"exptime": EXPOSURE_S}
            candidate["ndethist"] = 1 + sum(row["candid"] is not None for row in past.sources)
            name = ztf_name(record["objectId"])
            packet = HEAD | {"objectId": name, "candid": found["candid"], "candidate": candidate}
            rows = {"prv_candidates": past.sources or None, "fp_hists": past.forced or None}
            value, key = framed(schema, packet | rows)
            yield Packet(
                value, key or name.encode(), "ztf", name, found["candid"],
                made_of=record["objectId"],
            )  # fmt: skip
        past.sources.append(nothing | visit | rounded(found))
        past.forced.append(visit | forced_row(record, visit["magzpsci"]))


def since(rows: list[Record], jd: float) -> list[Record]:
    """The rows, which are in order of time, from a time on."""
    return rows[bisect_left(rows, jd, key=lambda row: float(row["jd"])) :]


def visited(record: Record) -> Record:
    """When, through what and how deep."""
    limit = ZERO_POINT - 2.5 * math.log10(LIMIT_SIGMA * record["fluxErr"])
    return {
        "jd": record["mjd"] + JD_MJD - (EXPOSURE_S / 2 + TAI_UTC_S) / DAY_S,
        "fid": FILTERS[record["band"]],
        "pid": record["alertId"],
        "diffmaglim": limit,
        "programid": 1,
        "magzpsci": 26.0 + 0.01 * (record["alertId"] % 50),  # each its own
    }


def found_row(record: Record) -> Record:
    """Where and how bright [mag]; the sign apart."""
    flux, (ra, dec) = record["flux"], position(record)
    return {
        "candid": CANDIDATES_FROM + record["alertId"],
        "isdiffpos": "t" if flux > 0 else "f",
        "magpsf": ZERO_POINT - 2.5 * math.log10(abs(flux)),
        "sigmapsf": MAG * record["fluxErr"] / abs(flux),
        "ra": ra,
        "dec": dec,
        "rb": 0.9,
    }


def rounded(found: Record) -> Record:
    """A detection as later packets repeat it: with fewer decimals."""
    if not found:
        return found
    return found | {"magpsf": round(found["magpsf"], 4), "sigmapsf": round(found["sigmapsf"], 6)}


def forced_row(record: Record, zero_point: float) -> Record:
    """The flux at the object's place, in counts of its own zero point."""
    counts = 10 ** (-0.4 * (ZERO_POINT - zero_point))
    return {
        "exptime": EXPOSURE_S,
        "forcediffimflux": record["flux"] * counts,
        "forcediffimfluxunc": record["fluxErr"] * counts,
        "procstatus": "0",
    }


def ztf_name(name: str) -> str:
    """A name as ZTF gives them."""
    rest, letters = number_for(name, NAMES), ""
    for _ in range(7):
        rest, letter = divmod(rest, 26)
        letters = chr(ord("a") + letter) + letters
    return f"ZTF18{letters}"
