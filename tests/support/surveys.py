"""Surveys' packets for tests: real ones, which lie beside the repository, and Rubin's schemas, which a package has."""

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import fastavro
import lsst.alert.packet
import numpy as np

from broker.packets.projection import Projection, compile_projection
from broker.surveys import elasticc, rubin, ztf
from broker.surveys.adapted import Adapted
from tests.support.alerts import packets
from tests.support.columns import Alert, alert_at

ADAPTERS: dict[str, ModuleType] = {"rubin": rubin, "ztf": ztf, "elasticc": elasticc}
RUBIN_VERSIONS = [(7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (8, 0), (9, 0), (10, 0), (11, 0), (11, 1)]
RUBIN_SCHEMAS = Path(lsst.alert.packet.__file__).parent / "schema"
RUBIN_OBJECT = 170_226_404_518_002_921  # no double has all of its digits
MOST_ROWS = 10_000
PROJECTIONS: dict[int, tuple[Any, Projection]] = {}  # with the schema, so that its id stays its own


class Packet(NamedTuple):
    """A packet, and what fastavro reads of it."""

    name: str
    schema: Any
    body: bytes
    record: dict[str, Any]


@cache
def rubin_schema(major: int, minor: int) -> Any:
    """The writer's schema of a version."""
    folder = RUBIN_SCHEMAS / str(major) / str(minor)
    return fastavro.schema.load_schema(folder / f"lsst.v{major}_{minor}.alert.avsc")


@cache
def read_sample(major: int, minor: int) -> dict[str, Any]:
    """The record of a version's made-up alert, not to be changed."""
    with (RUBIN_SCHEMAS / str(major) / str(minor) / "sample_data" / "fakeAlert.avro").open("rb") as file:
        (record,) = fastavro.reader(file)
    return record


def timed(record: dict[str, Any]) -> dict[str, Any]:
    """A made-up alert of Rubin's whose times are days: some versions' have seconds since 1970."""
    for source in (record["diaSource"], *(record["prvDiaSources"] or ()), *(record["prvDiaForcedSources"] or ())):
        source["midpointMjdTai"] = 61_000.0 + source["midpointMjdTai"] % 100
    return record


def rubin_sample(major: int, minor: int) -> dict[str, Any]:
    """The record of a version's made-up alert."""
    return deepcopy(read_sample(major, minor))


def body_of(schema: Any, record: dict[str, Any]) -> bytes:
    """A record's bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def blank(fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A record of these fields that says nothing: null where it may, else 0, false or an empty text."""
    empty = {"string": "", "boolean": False, "float": 0.0, "double": 0.0, "int": 0, "long": 0}
    types = {field["name"]: field["type"] for field in fields}
    return {
        name: None if isinstance(kind, list) else empty[kind["type"] if isinstance(kind, dict) else kind]
        for name, kind in types.items()
    }


def fields_of(schema: Any, record: str) -> list[dict[str, Any]]:
    """The fields of a record that is defined somewhere in a schema."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and part.get("name") == record and "fields" in part:
            found: list[dict[str, Any]] = part["fields"]
            return found
        if isinstance(part, dict | list):
            waiting += part.values() if isinstance(part, dict) else part
    raise AssertionError(record)


def copied(schema: Any) -> Any:
    """A schema to be changed, without what fastavro notes in it."""
    return deepcopy({key: part for key, part in schema.items() if not key.startswith("__")})


def elasticc_0_9_1(schema: Any) -> Any:
    """ELAsTiCC's schema of version 0.9 without what 0.9.1 has not: no visit ids, no limits."""
    schema = copied(schema)
    for record in ("alert", "diaSource", "diaForcedSource"):
        fields = fields_of(schema, f"elasticc.v0_9.{record}")
        fields[:] = [f for f in fields if f["name"] not in ("ccdVisitId", "nobs", "prvDiaNondetectionLimits")]
    return schema


def rubin_record(
    version: tuple[int, int],
    source: dict[str, Any] | None = None,
    sources: Sequence[dict[str, Any]] = (),
    forced: Sequence[dict[str, Any]] = (),
    **changes: Any,
) -> dict[str, Any]:
    """An alert of a Rubin version: its made-up one with these changes to its source, and these histories."""
    made = rubin_sample(*version)
    own = made["diaSource"] | {"diaObjectId": RUBIN_OBJECT, "midpointMjdTai": 61_000.25} | (source or {})
    forced_fields = fields_of(rubin_schema(*version), "lsst.v{}_{}.diaForcedSource".format(*version))
    return made | {
        "diaSource": own,
        "prvDiaSources": [own | {"diaSourceId": 1 + i} | one for i, one in enumerate(sources)] or None,
        "prvDiaForcedSources": [blank(forced_fields) | one for one in forced] or None,
        **changes,
    }


@cache
def real_packets(survey: str) -> tuple[Packet, ...]:
    """All of a survey, read once: not to be changed. A container of several gives several."""
    found = []
    for path in packets(survey):
        value = path.read_bytes()
        if survey == "rubin":
            schema = rubin_schema(*divmod(int.from_bytes(value[1:5], "big"), 100))
            record = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
            found.append(Packet(path.stem, schema, value[5:], record))
            continue
        reader = fastavro.reader(BytesIO(value))
        schema = reader.writer_schema
        for i, record in enumerate(reader):
            found.append(Packet(f"{path.stem}[{i}]", schema, body_of(schema, record), record))
    return tuple(found)


def adapt(survey: str, schema: Any, bodies: Sequence[bytes], sent_ms: int = 0) -> Adapted:
    """The fates of some packets, the messages of which are numbered from 0 on."""
    adapter = ADAPTERS[survey]
    if id(schema) not in PROJECTIONS:
        PROJECTIONS[id(schema)] = schema, compile_projection(schema, adapter.FIELDS)
    columns, errors = PROJECTIONS[id(schema)][1].read(bodies, MOST_ROWS)
    assert not errors
    adapted: Adapted = adapter.alerts(columns, columns.which, np.full(len(bodies), sent_ms))
    assert sorted([*adapted.alerts.message, *adapted.declined, *adapted.poisons]) == list(range(len(bodies))), (
        "one fate each"
    )
    return adapted


def alert_of(survey: str, schema: Any, record: dict[str, Any], sent_ms: int = 0) -> Alert:
    """The alert of one record. Raises PoisonMessage."""
    adapted = adapt(survey, schema, [body_of(schema, record)], sent_ms)
    for poison in adapted.poisons.values():
        raise poison
    return alert_at(adapted.alerts, 0)
