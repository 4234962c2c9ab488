"""The one loader of Avro schemas: by name and version, parsed, self-contained.

A schema's file is `<name>.<version>.avsc` beside this module. Each name has a hundred Confluent schema ids of its own,
one a version.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

import fastavro

Schema = dict[str, Any]

FIRST_IDS = {"observation": 100, "classification": 200, "dead_letter": 300}  # Confluent schema id of version 1


class SchemaNotFoundError(LookupError):
    """No schema of that name and version is shipped."""


def available() -> list[tuple[str, int]]:
    """Name and version of every schema shipped, sorted."""
    stems = (f.name.removesuffix(".avsc").split(".") for f in files(__package__).iterdir() if f.name.endswith(".avsc"))
    return sorted((name, int(version)) for name, version in stems)


@cache
def load(name: str, version: int = 1) -> Schema:
    """The parsed schema, every named type defined within it. Raises SchemaNotFoundError."""
    source = files(__package__) / f"{name}.{version}.avsc"
    if not source.is_file():
        known = ", ".join(f"{n} {v}" for n, v in available())
        raise SchemaNotFoundError(f"no schema {name!r} version {version}; there are: {known}")
    return cast("Schema", fastavro.parse_schema(json.loads(source.read_text())))


def confluent_id(name: str, version: int) -> int:
    """The schema id that stands in the Confluent wire framing of a version of ours. Raises SchemaNotFoundError."""
    if name not in FIRST_IDS or version < 1:
        raise SchemaNotFoundError(f"no schema {name!r} version {version}; there are: {', '.join(FIRST_IDS)}")
    return FIRST_IDS[name] + version - 1
