"""The one loader of Avro schemas: by name and version, parsed, self-contained.

A schema's file is `<name>.<version>.avsc` beside this module. Each name has a hundred Confluent schema ids of its own,
one a version. What is written is of the newest version; what was written before stays readable by its id.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

import fastavro

Schema = dict[str, Any]

FIRST_IDS = {"observation": 100, "classification": 200, "dead_letter": 300}  # Confluent schema id of version 1
IDS_EACH = 100


class SchemaNotFoundError(LookupError):
    """No schema of that name and version is shipped."""


@cache
def available() -> tuple[tuple[str, int], ...]:
    """Name and version of every schema shipped, sorted."""
    stems = (f.name.removesuffix(".avsc").split(".") for f in files(__package__).iterdir() if f.name.endswith(".avsc"))
    return tuple(sorted((name, int(version)) for name, version in stems))


def newest(name: str) -> int:
    """The newest version of a schema; 0 where there is none."""
    return max((version for one, version in available() if one == name), default=0)


def load(name: str, version: int | None = None) -> Schema:
    """The parsed schema, every named type defined within it; None is the newest. Raises SchemaNotFoundError."""
    return loaded(name, newest(name) if version is None else version)


@cache
def loaded(name: str, version: int) -> Schema:
    """The same of a version."""
    source = files(__package__) / f"{name}.{version}.avsc"
    if (name, version) not in available():
        known = ", ".join(f"{n} {v}" for n, v in available())
        raise SchemaNotFoundError(f"no schema {name!r} version {version}; there are: {known}")
    return cast("Schema", fastavro.parse_schema(json.loads(source.read_text())))


def confluent_id(name: str, version: int | None = None) -> int:
    """The schema id that stands in the Confluent wire framing of a version of ours. Raises SchemaNotFoundError."""
    number = newest(name) if version is None else version
    if name not in FIRST_IDS or number < 1:
        raise SchemaNotFoundError(f"no schema {name!r} version {number}; there are: {', '.join(FIRST_IDS)}")
    return FIRST_IDS[name] + number - 1


def by_id(number: int) -> Schema:
    """The schema that a Confluent schema id of ours names. Raises SchemaNotFoundError."""
    for name, first in FIRST_IDS.items():
        if first <= number < first + IDS_EACH:
            return load(name, number - first + 1)
    raise SchemaNotFoundError(f"no schema of ours has the id {number}")
