"""What others do with the messages that they subscribe to, as their code was read; said again here in a few lines."""

import json
from io import BytesIO
from typing import Any

import fastavro
import numpy as np

RUBIN_FIELDS = (
    "diaSourceId", "observation_reason", "target_name", "diaSource", "prvDiaSources", "prvDiaForcedSources",
    "diaObject", "ssSource", "mpc_orbits", "cutoutDifference", "cutoutScience", "cutoutTemplate",
)  # fmt: skip


def container(value: bytes) -> dict[str, Any]:
    """A container file of one record."""
    (found,) = fastavro.reader(BytesIO(value))
    return found


def schema_in_key(key: bytes, value: bytes) -> dict[str, Any]:
    """As fink-client decodes: the key is the schema's JSON, the value has nothing around it."""
    schema = fastavro.parse_schema(json.loads(key.decode("utf-8")))
    return fastavro.schemaless_reader(BytesIO(value), schema, None)


def fastdb(record: dict[str, Any]) -> dict[str, Any]:
    """DESC's FASTDB: Rubin's fields by name, the source's object as a 64-bit integer, the rest kept as it is.

    Raises TypeError where the source names no object.
    """
    found = {
        "object": np.int64(record["diaSource"]["diaObjectId"]),
        "source": np.int64(record["diaSource"]["diaSourceId"]),
        "previous": [row["midpointMjdTai"] for row in record["prvDiaSources"] or []],
        "forced": [row["midpointMjdTai"] for row in record["prvDiaForcedSources"] or []],
    }
    rest = {name: value for name, value in record.items() if name not in RUBIN_FIELDS}
    for name in ("brokerName", "classifierName", "classifierVersion"):
        assert isinstance(rest[name], str)
    assert all(isinstance(c["classId"], int) and 0 <= c["probability"] <= 1 for c in rest["classifications"])
    assert sum(c["probability"] for c in rest["classifications"]) == 1
    return found | {"broker": rest}


def skyportal(record: dict[str, Any], survey: str) -> dict[str, Any]:
    """SkyPortal: an object, a candidate and its place, points by time and filter, in Jy; no row without a band."""
    points = {}
    for table in ("prv_candidates", "fp_hists", "prv_nondetections"):
        for row in record.get(table) or []:
            if row.get("jd") is None or row.get("band") is None or row.get("psfFluxErr") is None:
                continue
            epoch = (table == "fp_hists", round(row["jd"] - 2_400_000.5, 8), f"{survey}{row['band'].lower()}")
            points.setdefault(epoch, (row["psfFlux"] * 1e-9, row["psfFluxErr"] * 1e-9))
    assert isinstance(record["objectId"], str)
    candidate = record["candidate"]
    return {
        "object": record["objectId"],
        "candidate": int(record["candid"]),
        "place": (float(candidate["ra"]), float(candidate["dec"])),
        "points": points,
    }
