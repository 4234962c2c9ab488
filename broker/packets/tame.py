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

SCHEMA_BYTES = 256 * 1024  # Rubin's have 40 kB, ZTF's 26 kB
DEEPEST = 64  # lists and objects within one another; Rubin's have 12
LONGEST_NAME = 256  # characters of a name, a namespace or a symbol
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


def is_finite(schema: Schema) -> bool:
    """Whether a body takes no more memory and depth than its bytes allow, whoever decodes it.

    Not so where a type is within itself, or an array's items may have no bytes.
    """
    schemas = Schemas(schema)
    return ends(schemas, schemas.root, ())


def ends(schemas: Schemas, part: Any, within: tuple[str, ...]) -> bool:  # noqa: ANN401
    """The same of a part that is within the records named."""
    shape = schemas.shape(part)
    kind = shape["type"]
    if kind == "union":
        return all(ends(schemas, branch, within) for branch in shape["branches"])
    if kind == "array":
        return schemas.least_bytes(shape["items"]) > 0 and ends(schemas, shape["items"], within)
    if kind == "map":
        return ends(schemas, shape["values"], within)
    if kind not in ("record", "error"):
        return True
    name = shape["name"]
    return name not in within and all(ends(schemas, field["type"], (*within, name)) for field in shape["fields"])


def unknown(detail: str) -> PoisonMessage:
    """A schema that cannot be read."""
    return PoisonMessage(Reason.UNKNOWN_SCHEMA, detail)
