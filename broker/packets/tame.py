"""Schemas that others sent, as text, parsed within bounds (law 10): of a message, a key or a registry's answer.

Bounded are the bytes, the depth and the length of names: a name in a long namespace is written out in full for each of
its uses, so their text takes its square.
"""

import json
from typing import Any, cast

import fastavro

from broker.errors import PoisonMessage, Reason
from broker.packets.shapes import Schemas
from schemas.catalogue import Schema

SCHEMA_BYTES = 128 * 1024  # Rubin's have 40 kB, ZTF's 26 kB
DEEPEST = 64  # lists and objects within one another; Rubin's have 12
LONGEST_NAME = 256  # characters of a name, a namespace or a symbol
MOST_VALUES = 100_000  # that a body has beside the items of its arrays
VALUES_A_BYTE = 16  # of an item; a null or a number in a union are two values of at least a byte
NAMES = ("name", "namespace", "type", "items", "values")


def parsed(text: bytes) -> Schema:
    """The schema of a record, parsed. Raises PoisonMessage (unknown schema)."""
    if len(text) > SCHEMA_BYTES:
        raise unknown(f"the writer's schema has {len(text)} bytes; at most {SCHEMA_BYTES} are read")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise unknown("the writer's schema is no JSON") from None
    if not isinstance(found, dict) or found.get("type") != "record":
        raise unknown("the writer's schema is not one of a record")
    found = bounded(found)
    try:
        schema = fastavro.parse_schema(found)
    except Exception as error:  # noqa: BLE001 - broken schemas end in any error of fastavro's; each means no schema
        raise unknown(f"the writer's schema is none: {type(error).__name__}") from None
    return cast("Schema", schema)


def bounded(part: Any, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """A schema's JSON without what begins with __, which is fastavro's own. Raises PoisonMessage."""
    if depth > DEEPEST:
        raise unknown(f"the writer's schema is nested deeper than {DEEPEST}")
    if isinstance(part, list):
        for one in part:
            check_name(one)
        return [bounded(one, depth + 1) for one in part]
    if not isinstance(part, dict):
        return part
    for key in NAMES:
        check_name(part.get(key))
    return {key: bounded(value, depth + 1) for key, value in part.items() if not key.startswith("__")}


def check_name(name: object) -> None:
    """Raises PoisonMessage if it is too long."""
    if isinstance(name, str) and len(name) > LONGEST_NAME:
        raise unknown(f"the writer's schema has a name of {len(name)} characters; at most {LONGEST_NAME} are read")


def is_bounded(schema: Schema) -> bool:
    """Whether a body takes no more memory, time and depth than its bytes allow, whoever decodes it.

    Not so where a type is within itself, or where many values, as of null, have few bytes or none.
    """
    schemas = Schemas(schema)
    return values_of(schemas, schemas.root, {}) < MOST_VALUES


def values_of(schemas: Schemas, part: Any, known: dict[str, int]) -> int:  # noqa: ANN401
    """How many values one value consists of, beside items; MOST_VALUES where a body would not be bounded.

    Known are records' by name; those that are being counted have MOST_VALUES.
    """
    shape = schemas.shape(part)
    kind = shape["type"]
    if kind == "union":
        return 1 + max((values_of(schemas, branch, known) for branch in shape["branches"]), default=0)
    if kind in ("array", "map"):
        items = shape["items" if kind == "array" else "values"]
        size = schemas.least_bytes(items) + (kind == "map")
        return 1 if size and values_of(schemas, items, known) <= VALUES_A_BYTE * size else MOST_VALUES
    if kind not in ("record", "error"):
        return 1
    name = shape["name"]
    if name not in known:
        known[name] = MOST_VALUES
        counted = 1 + sum(values_of(schemas, field["type"], known) for field in shape["fields"])
        known[name] = min(counted, MOST_VALUES)
    return known[name]


def unknown(detail: str) -> PoisonMessage:
    """A schema that cannot be read."""
    return PoisonMessage(Reason.UNKNOWN_SCHEMA, detail)
