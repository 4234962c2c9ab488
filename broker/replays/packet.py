"""A packet that is to be sent, and what every survey's writer needs: bytes, numbers for names, values that are missing.

Nobody's schema is copied: each writer has one of its own, with the fields that are read here and a few beside them,
under the record's real name.
"""

import json
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from typing import Any, NamedTuple, cast

import fastavro

from broker.errors import StartupError
from broker.text import printable

Record = dict[str, Any]
Schema = dict[str, Any]

SPARE = {"long": 0, "int": 0, "float": math.nan, "double": math.nan, "boolean": False}


class Framed(NamedTuple):
    """A record as bytes; the key where the framing needs one."""

    value: bytes
    key: bytes | None = None


class Packet(NamedTuple):
    """One message to be sent."""

    value: bytes | None
    key: bytes | None = None
    survey: str = ""
    object_id: str = ""  # as the survey names it; "" where the packet was not made here
    alert_id: int = 0
    stamped: bool = False  # whether the survey's header says when it was sent
    made_of: str = ""  # the object's name in the file
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int = -1  # any
    timestamp_ms: int = 0  # now


def position(record: Record) -> tuple[float, float]:
    """Right ascension and declination [deg]. Raises StartupError: no survey sends an alert without."""
    ra, dec = record.get("ra"), record.get("dec")
    if ra is None or dec is None:
        name = printable(str(record["objectId"]))
        raise StartupError(f"object {name} has no position, which every survey's packets have; add columns ra and dec")
    return float(ra), float(dec)


@lru_cache(maxsize=65_536)
def number_for(name: str, below: int) -> int:
    """A number for a name: its own where it is one, else one made from it; 007 is not 7, and 0 would be nobody."""
    if name.isascii() and name.isdigit() and len(name) < 19 and name[0] != "0" and int(name) < below:
        return int(name)
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) % below


def spare(kind: Any) -> Any:  # noqa: ANN401 - a part of an Avro schema
    """What stands where nothing is known: 0 or NaN rather than null, as in Rubin's packets."""
    if isinstance(kind, list):
        known = [one for one in kind if isinstance(one, str) and one in SPARE]
        return SPARE[known[0]] if known else None
    return SPARE.get(kind, "") if isinstance(kind, str) else None


def blank(fields: Iterable[Record]) -> Record:
    """A record in which nothing is known."""
    return {one["name"]: spare(one["type"]) for one in fields}


def ready_schema(schema: Schema) -> Schema:
    """A schema as fastavro takes it without parsing it once more."""
    return cast("Schema", fastavro.parse_schema(schema))


def body(schema: Schema, record: Record) -> bytes:
    """A record without any framing."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def container(schema: Schema, record: Record) -> Framed:
    """A record in an object container file of its own, not compressed."""
    stream = BytesIO()
    fastavro.writer(stream, schema, [record])
    return Framed(stream.getvalue())


def schemaless(schema: Schema, record: Record) -> Framed:
    """A record's body alone."""
    return Framed(body(schema, record))


def schema_in_key(schema: Schema, record: Record) -> Framed:
    """A record's body, and its schema as the message's key."""
    return Framed(body(schema, record), schema_text(schema).encode())


def schema_text(schema: Schema) -> str:
    """A schema as JSON, without what fastavro keeps in it."""
    return json.dumps({name: part for name, part in schema.items() if not name.startswith("__")})


def record_type(name: str, **fields: Any) -> Schema:  # noqa: ANN401 - Avro types
    """A record of Avro: names of fields with their types, null by default where they may be null."""
    return {
        "type": "record",
        "name": name,
        "fields": [
            {"name": key, "type": kind} | ({"default": None} if isinstance(kind, list) and kind[0] == "null" else {})
            for key, kind in fields.items()
        ],
    }


def optional(kind: Any) -> list[Any]:  # noqa: ANN401 - an Avro type
    """A type, or null."""
    return ["null", kind]


def many(kind: Any) -> list[Any]:  # noqa: ANN401 - an Avro type
    """An array of a type, or null."""
    return ["null", {"type": "array", "items": kind}]
