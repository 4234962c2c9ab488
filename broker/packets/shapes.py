"""Writers' schemas as a compiler needs them: names looked up, sizes known, paths followed."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import fastavro

from broker.errors import PoisonMessage, Reason
from broker.surveys.fields import Field, Fields, Kind, Table

Shape = dict[str, Any]  # a type's definition; a union is {"type": "union", "branches": [...]}

FIXED_BYTES = {"null": 0, "float": 4, "double": 8}  # types whose bytes need no look
LEAST_BYTES = {"boolean": 1, "int": 1, "long": 1, "bytes": 1, "string": 1, "enum": 1, "array": 1, "map": 1}
MOST_BYTES = 2**31  # no body has so many: sizes beyond need not be told apart
COMPLEX = ("record", "error", "array", "map", "enum", "fixed", "union")
READ_AS = {
    Kind.LONG: ("int", "long"),
    Kind.DOUBLE: ("float", "double", "int", "long"),
    Kind.BOOL: ("boolean",),
    Kind.TEXT: ("string", "enum"),
}


class NotCoveredError(Exception):
    """The schema needs what a projection does not know: `read_slowly` reads it."""


class Leaf(NamedTuple):
    """A wanted value."""

    name: str
    field: Field
    slot: int = -1  # of its first cells


class Branch(NamedTuple):
    """A wanted table."""

    name: str
    place: int  # among the tables
    wants: "Wants"  # of a row


Wants = dict[str, "Wants | Leaf | Branch"]  # a record's field: what is wanted of it


class Schemas:
    """A writer's schema and the types it names."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - a schema is any JSON
        self.root = fastavro.parse_schema(schema)
        self._names: dict[str, Shape] = {}
        self._fixed: dict[str, int | None] = {}  # bytes of records
        self._least: dict[str, int] = {}
        self._collect(self.root)

    def _collect(self, schema: Any) -> None:  # noqa: ANN401
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch)
        elif isinstance(schema, dict):
            if schema.get("type") in ("record", "error", "enum", "fixed"):
                self._names[schema["name"]] = schema
            for part in [schema.get("type"), schema.get("items"), schema.get("values")]:
                self._collect(part)
            for field in schema.get("fields", ()):
                self._collect(field["type"])

    def shape(self, schema: Any) -> Shape:  # noqa: ANN401
        """The definition behind a type, a name or a wrapping of either. Raises NotCoveredError."""
        while True:
            if isinstance(schema, list):
                return {"type": "union", "branches": schema}
            kind = schema if isinstance(schema, str) else schema["type"]
            if isinstance(kind, str) and (kind in FIXED_BYTES or kind in LEAST_BYTES or kind in COMPLEX):
                return {"type": kind} if isinstance(schema, str) else schema
            if isinstance(schema, str) and schema not in self._names:
                raise NotCoveredError(f"type {schema[:100]!r} is not known")
            schema = self._names[schema] if isinstance(schema, str) else kind

    def branches(self, schema: Any) -> list[Shape]:  # noqa: ANN401
        """The shapes that a value may have: a union's, or the one."""
        shape = self.shape(schema)
        return [self.shape(branch) for branch in shape["branches"]] if shape["type"] == "union" else [shape]

    def fixed_bytes(self, schema: Any) -> int | None:  # noqa: ANN401
        """How many bytes every value has that nothing in it asks to check; None where that is not so."""
        shape = self.shape(schema)
        kind = shape["type"]
        if kind == "fixed":
            return int(shape["size"])
        if kind not in ("record", "error"):
            return FIXED_BYTES.get(kind)
        if (name := shape["name"]) not in self._fixed:
            self._fixed[name] = None  # as long as it is asked within itself
            sizes = [self.fixed_bytes(field["type"]) for field in shape["fields"]]
            total = sum(size or 0 for size in sizes)
            self._fixed[name] = None if None in sizes or total > MOST_BYTES else total
        return self._fixed[name]

    def least_bytes(self, schema: Any) -> int:  # noqa: ANN401
        """How many bytes a value has at least."""
        shape = self.shape(schema)
        kind = shape["type"]
        if kind == "union":
            return 1 + min(map(self.least_bytes, shape["branches"]), default=0)
        if kind not in ("record", "error"):
            return int(shape["size"]) if kind == "fixed" else FIXED_BYTES.get(kind, 1)
        if (name := shape["name"]) not in self._least:
            self._least[name] = 0  # as long as it is asked within itself
            self._least[name] = min(sum(self.least_bytes(field["type"]) for field in shape["fields"]), MOST_BYTES)
        return self._least[name]

    def find(self, schema: Any, parts: list[str]) -> Iterator[Shape]:  # noqa: ANN401
        """The shapes at the end of a path, of every branch that has it; none if no branch has."""
        if not parts:
            yield self.shape(schema)
            return
        for shape in self.branches(schema):
            if shape["type"] in ("record", "error"):
                for field in shape["fields"]:
                    if field["name"] == parts[0]:
                        yield from self.find(field["type"], parts[1:])


def select(schemas: Schemas, root: Any, fields: Fields) -> tuple[dict[str, list[str]], dict[str, Any]]:  # noqa: ANN401
    """Each field's path that the schema has, and the items of each table found.

    Raises PoisonMessage if a required field is nowhere, or one has another type than it is read as.
    """
    paths: dict[str, list[str]] = {}
    items: dict[str, Any] = {}
    for name, field in fields.items():
        for path in field.paths:
            parts = path.split(".")
            if not (found := list(schemas.find(root, parts))):
                continue
            shapes = [shape for end in found for shape in schemas.branches(end)]
            check(name, path, field, shapes)
            refuse_maps(schemas, root, parts)
            paths[name] = parts
            if isinstance(field, Table):
                items[name] = next(shape["items"] for shape in shapes if shape["type"] == "array")
            break
        else:
            if field.required:
                raise PoisonMessage(
                    Reason.UNKNOWN_SCHEMA, f"the writer's schema has no field {' or '.join(field.paths)} ({name})"
                )
    return paths, items


def check(name: str, path: str, field: Field | Table, shapes: list[Shape]) -> None:
    """Raises PoisonMessage if a field has another type than it is read as."""
    allowed = ("array",) if isinstance(field, Table) else READ_AS[field.kind]
    others = sorted({shape["type"] for shape in shapes} - {"null", *allowed})
    arrays = [shape for shape in shapes if shape["type"] == "array"]
    if others or (isinstance(field, Table) and len(arrays) != 1):
        wanted = "one array of records" if isinstance(field, Table) else f"a {field.kind}"
        types = ", ".join(others) or f"{len(arrays)} arrays"
        raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"field {path} ({name}) cannot be read as {wanted}: it is {types}")


def refuse_maps(schemas: Schemas, root: Any, parts: list[str]) -> None:  # noqa: ANN401
    """Raises PoisonMessage if a path leads through what may also be a map, whose keys could be those names."""
    for depth in range(len(parts)):
        for end in schemas.find(root, parts[:depth]):
            if any(shape["type"] == "map" for shape in schemas.branches(end)):
                raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"{'.'.join(parts[:depth])} may be a map")


def null_branch(shapes: list[Shape]) -> int:
    """Which branch of a union is null, -1 if none is."""
    return next((place for place, shape in enumerate(shapes) if shape["type"] == "null"), -1)


def plant(wants: Wants, parts: list[str], leaf: Leaf | Branch) -> None:
    """Adds a wanted value to the tree of those wanted. Raises NotCoveredError if another takes up its path."""
    for part in parts[:-1]:
        below = wants.setdefault(part, {})
        if not isinstance(below, dict):
            raise NotCoveredError(f"{'.'.join(parts)} leads through another field")
        wants = below
    if wants.setdefault(parts[-1], leaf) is not leaf:
        raise NotCoveredError(f"two fields read {'.'.join(parts)}")


def leaves(want: "Wants | Leaf | Branch") -> Iterator[Leaf]:
    """Every value wanted below; a table's are its rows' own."""
    if isinstance(want, Leaf):
        yield want
    elif isinstance(want, Mapping):
        for below in want.values():
            yield from leaves(below)
