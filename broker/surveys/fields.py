"""What a survey wants of its packets: a table of fields, whatever the version of the writer's schema."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a field is read as. Logical types are read as the number or text beneath."""

    LONG = "long"  # int, long
    DOUBLE = "double"  # float, double, int, long
    BOOL = "bool"  # boolean
    TEXT = "text"  # string, enum


class Field(NamedTuple):
    """One value a body, or one a row of a table."""

    paths: tuple[str, ...]  # dotted, through records: "diaSource.psfFlux"; of several the first that the schema has
    kind: Kind
    required: bool = True  # of the schema: its absence there is an error, a null in a body never is
    choices: tuple[bytes, ...] = ()  # TEXT only: the column then says which of these it is, -1 for any other
    since: int = 0  # of one not required: the first major version whose schema has it


class Table(NamedTuple):
    """An array of records; null or absent it has no rows."""

    paths: tuple[str, ...]
    fields: Mapping[str, Field]  # their paths begin at the record of a row
    required: bool = False
    since: int = 0  # as of a field


Fields = Mapping[str, Field | Table]


def inside(record: str, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Fields of a record that itself stands in a field."""
    return {name: field._replace(paths=tuple(f"{record}.{p}" for p in field.paths)) for name, field in fields.items()}
