"""Light curves as ELAsTiCC sent them: an alert a detection, forced photometry from 30 days before the first one on.

A first alert has no forced rows; the later ones repeat the detections among them. Photo-z and dust stand on the object;
-9 where there is none, and so for objects of our Galaxy, whose photo-z of 0 it did not tell.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from broker.replays.packet import (
    Framed,
    Packet,
    Record,
    Schema,
    container,
    many,
    number_for,
    optional,
    position,
    ready_schema,
    record_type,
)

FORCED_BEFORE_DAYS = 30.0
NOT_KNOWN = -9.0

SOURCE = {
    "diaSourceId": "long", "diaObjectId": optional("long"), "midPointTai": "double", "filterName": "string",
    "ra": "double", "decl": "double", "psFlux": "float", "psFluxErr": "float", "snr": "float",
}  # fmt: skip
FORCED = {
    "diaForcedSourceId": "long", "diaObjectId": "long", "midPointTai": "double", "filterName": "string",
    "psFlux": "float", "psFluxErr": "float",
}  # fmt: skip
OBJECT = {
    "diaObjectId": "long", "ra": "double", "decl": "double", "mwebv": optional("float"),
    "mwebv_err": optional("float"), "hostgal_zphot": optional("float"), "hostgal_zphot_err": optional("float"),
}  # fmt: skip
SCHEMA: Schema = record_type(
    "elasticc.v0_9_1.alert",
    alertId="long",
    diaSource=record_type("elasticc.v0_9_1.diaSource", **SOURCE),
    prvDiaSources=many("elasticc.v0_9_1.diaSource"),
    prvDiaForcedSources=many(record_type("elasticc.v0_9_1.diaForcedSource", **FORCED)),
    diaObject=optional(record_type("elasticc.v0_9_1.diaObject", **OBJECT)),
    cutoutDifference=optional("bytes"),
    cutoutTemplate=optional("bytes"),
)


@dataclass(slots=True)
class Curve:
    """What has been seen of an object, and where its forced rows begin."""

    sources: list[Record] = field(default_factory=list)
    rows: list[Record] = field(default_factory=list)
    first: int = 0


def elasticc_packets(
    records: Iterable[Record], framed: Callable[[Schema, Record], Framed] = container
) -> Iterator[Packet]:
    """A packet a detection, of native alerts in time order. Raises StartupError where one has no position."""
    schema = ready_schema(SCHEMA)
    known: defaultdict[str, Curve] = defaultdict(Curve)
    for record in records:
        curve, row = known[record["objectId"]], elasticc_row(record)
        if record["detected"]:
            if not curve.sources:
                curve.first = bisect_left(
                    curve.rows, record["mjd"] - FORCED_BEFORE_DAYS, key=lambda r: float(r["midPointTai"])
                )
            ra, dec = position(record)
            own = row | {"ra": ra, "decl": dec, "snr": record["flux"] / record["fluxErr"]}
            packet = {
                "alertId": record["alertId"],
                "diaSource": own,
                "prvDiaSources": curve.sources,
                "prvDiaForcedSources": curve.rows[curve.first :] if curve.sources else None,
                "diaObject": host(record) | {"diaObjectId": row["diaObjectId"], "ra": ra, "decl": dec},
            }
            value, key = framed(schema, packet)
            yield Packet(
                value, key, "elasticc", str(row["diaObjectId"]), record["alertId"],
                made_of=record["objectId"],
            )  # fmt: skip
            curve.sources.append(own)
        curve.rows.append(row)


def elasticc_row(record: Record) -> Record:
    """What sources and forced sources have in common."""
    return {
        "diaSourceId": record["alertId"],
        "diaForcedSourceId": record["alertId"],
        "diaObjectId": number_for(record["objectId"], 2**53),
        "midPointTai": record["mjd"],
        "filterName": "Y" if record["band"] == "y" else record["band"],
        "psFlux": record["flux"],
        "psFluxErr": record["fluxErr"],
    }


def host(record: Record) -> Record:
    """What is known beside the light curve."""
    photoz, error = record.get("hostgalPhotoz"), record.get("hostgalPhotozErr")
    return {
        "mwebv": record.get("mwebv"),
        "hostgal_zphot": photoz or NOT_KNOWN,
        "hostgal_zphot_err": error if photoz and error is not None else NOT_KNOWN,
    }
