"""Light curves as Rubin would have sent them: an alert a detection, and no word of what came before the second one.

Rubin forces photometry from an object's second detection on: so a first alert is one row, and forced rows begin with
the second detection and repeat each visit, the triggering one too, with another flux. Histories go back a year. There
is no host and no dust, messages have no key, and a header says when each was sent.

Where the package lsst-alert-packet is installed (the extra `rubin`), packets are of its schema 11.1 in the wire framing
with its id; else containers with a schema of our own of the same record name.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from broker.packets.framings import WIRE
from broker.packets.rubin_package import rubin_package
from broker.replays.containers import contained, opening, varint
from broker.replays.packet import (
    Packet,
    Record,
    Schema,
    blank,
    body,
    many,
    number_for,
    optional,
    position,
    ready_schema,
    record_type,
)

NULL, PRESENT = b"\x00", b"\x02"  # of an optional field; NULL ends an array too
SCHEMA_ID = 1101  # version 11.1
NUMBERED_FROM = 170_000_000_000_000_000  # as those of real packets: more than 2^53
HISTORY_DAYS = 365.0
FORCED_TO_DETECTED = 1.02  # fluxes of one visit differ by 0.3 to 5 % in real packets

SOURCE = {
    "diaSourceId": "long", "visit": "long", "detector": "int", "diaObjectId": optional("long"),
    "ssObjectId": optional("long"), "parentDiaSourceId": optional("long"), "midpointMjdTai": "double",
    "ra": "double", "dec": "double", "isNegative": optional("boolean"), "snr": optional("float"),
    "psfFlux": optional("float"), "psfFluxErr": optional("float"), "psfFlux_flag": optional("boolean"),
    "reliability": optional("float"), "band": optional("string"), "timeProcessedMjdTai": "double",
    "timeWithdrawnMjdTai": optional("double"),
}  # fmt: skip
FORCED = {
    "diaForcedSourceId": "long", "diaObjectId": "long", "ra": "double", "dec": "double", "visit": "long",
    "detector": "int", "psfFlux": optional("float"), "psfFluxErr": optional("float"), "midpointMjdTai": "double",
    "band": optional("string"), "timeProcessedMjdTai": "double", "timeWithdrawnMjdTai": optional("double"),
}  # fmt: skip
OBJECT = {
    "diaObjectId": "long", "validityStartMjdTai": "double", "ra": "double", "dec": "double", "nDiaSources": "int",
}  # fmt: skip
OURS = record_type(
    "lsst.v11_1.alert",
    diaSourceId="long",
    diaSource=record_type("lsst.v11_1.diaSource", **SOURCE),
    prvDiaSources=many("lsst.v11_1.diaSource"),
    prvDiaForcedSources=many(record_type("lsst.v11_1.diaForcedSource", **FORCED)),
    diaObject=optional(record_type("lsst.v11_1.diaObject", **OBJECT)),
    ssSource=optional(record_type("lsst.v11_1.ssSource", ssObjectId="long")),
)


class RowBytes:
    """Rows of an object's history as bytes, in order of time: written once, however many packets repeat them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._rows: list[bytes] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, mjd: float, row: bytes) -> None:
        """One more, not earlier than the last."""
        self._times.append(mjd)
        self._rows.append(row)

    def array(self, earliest: float) -> bytes:
        """Those from a time on, as an optional array of Avro; null where there are none."""
        rows = self._rows[bisect_left(self._times, earliest) :]
        return b"".join((PRESENT, varint(len(rows)), *rows, NULL)) if rows else NULL


def rubin_packets(records: Iterable[Record]) -> Iterator[Packet]:
    """A packet a detection, of native alerts in time order. Raises StartupError where one has no position."""
    schema, framed = rubin_writer()
    types = {name: ready_schema(one) for name, one in record_types(schema).items()}
    source, forced, whole = (blank(types[name]["fields"]) for name in ("diaSource", "diaForcedSource", "diaObject"))
    sources, points = defaultdict[str, RowBytes](RowBytes), defaultdict[str, RowBytes](RowBytes)
    first: dict[str, float] = {}
    for record in records:
        name, mjd, detected = record["objectId"], record["mjd"], record["detected"]
        if not detected and not points[name]:
            continue
        row = rubin_row(record)
        if sources[name]:
            flux = record["flux"] * (FORCED_TO_DETECTED if detected else 1.0)
            point = forced | row | {"diaForcedSourceId": row["diaSourceId"], "psfFlux": flux}
            points[name].add(mjd, body(types["diaForcedSource"], point))
        if not detected:
            continue
        own = body(types["diaSource"], source | row)
        about = {"validityStartMjdTai": first.setdefault(name, mjd), "nDiaSources": len(sources[name]) + 1}
        parts = {
            "diaSourceId": varint(row["diaSourceId"]),
            "diaSource": own,
            "prvDiaSources": sources[name].array(mjd - HISTORY_DAYS),
            "prvDiaForcedSources": points[name].array(mjd - HISTORY_DAYS),
            "diaObject": PRESENT + body(types["diaObject"], whole | row | about),
        }
        sources[name].add(mjd, own)
        yield Packet(
            framed(b"".join(parts.get(one["name"], NULL) for one in schema["fields"])),
            survey="rubin",
            object_id=str(row["diaObjectId"]),
            alert_id=row["diaSourceId"],
            stamped=True,
            made_of=name,
        )


def rubin_row(record: Record) -> Record:
    """What sources and forced sources have in common."""
    ra, dec = position(record)
    visit = NUMBERED_FROM + record["alertId"]
    return {
        "diaSourceId": visit,
        "visit": visit,
        "detector": 94,
        "diaObjectId": NUMBERED_FROM + number_for(record["objectId"], 10**15),
        "midpointMjdTai": record["mjd"],
        "timeProcessedMjdTai": record["mjd"],
        "ra": ra,
        "dec": dec,
        "band": record["band"],
        "psfFlux": record["flux"],
        "psfFluxErr": record["fluxErr"],
        "snr": record["flux"] / record["fluxErr"],
        "isNegative": record["flux"] < 0,
        "reliability": 0.9,
    }


def rubin_writer() -> tuple[Schema, Callable[[bytes], bytes]]:
    """The schema that there is, and what frames a body of it."""
    package = rubin_package()
    text = package.find(SCHEMA_ID) if package else None
    if text is None:
        opened = opening(OURS)
        return OURS, lambda one: contained(opened, one)
    head = WIRE.pack(0, SCHEMA_ID)
    return json.loads(text), lambda one: head + one


def record_types(schema: Schema) -> dict[str, Schema]:
    """Each record within a schema, by its name without the namespace."""
    found: dict[str, Schema] = {}

    def walk(kind: object) -> None:
        if isinstance(kind, list):
            for one in kind:
                walk(one)
        elif isinstance(kind, dict):
            if kind["type"] == "record":
                found[kind["name"].rpartition(".")[2]] = kind
                for one in kind["fields"]:
                    walk(one["type"])
            elif kind["type"] == "array":
                walk(kind["items"])

    walk(schema)
    return found
