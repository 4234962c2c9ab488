"""The same columns by way of fastavro: for schemas that no projection covers, and to prove projections equal."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import fastavro
import numpy as np

from broker.errors import PoisonMessage, Reason
from broker.packets.shapes import Schemas, select
from broker.surveys.columns import Columns, Missing, Rows, Told, Values, column
from broker.surveys.fields import Field, Fields, Kind, Table

Record = dict[str, Any]


class SlowProjection:
    """A writer's schema and a survey's fields, for fastavro. Raises PoisonMessage as compiling does."""

    def __init__(self, schema: Any, fields: Fields) -> None:  # noqa: ANN401 - a schema is any JSON
        schemas = Schemas(schema)
        paths, items = select(schemas, schemas.root, fields)
        self.fields = fields
        self._paths = paths  # of the fields that the schema has
        self._row_paths = {
            name: select(schemas, items[name], table.fields)[0]
            for name, table in fields.items()
            if isinstance(table, Table) and name in items
        }
        self._plain = fastavro.parse_schema(without_logical_types(schemas.root))

    def read(self, bodies: Sequence[bytes | memoryview], max_rows: int) -> tuple[Columns, dict[int, PoisonMessage]]:
        """What `Projection.read` gives."""
        records, which, errors = [], [], {}
        for index, body in enumerate(bodies):
            try:
                record = read_body(self._plain, body)
            except PoisonMessage as error:
                errors[index] = error
                continue
            if sum(len(at(record, self._paths[name]) or ()) for name in self._row_paths) > max_rows:
                errors[index] = PoisonMessage(Reason.INVALID_FIELD, f"more than {max_rows} rows")
                continue
            records.append(record)
            which.append(index)
        values, missing, told = columns(records, self.fields, self._paths)
        tables = {}
        for name, table in self.fields.items():
            if isinstance(table, Table):
                found = [(at(record, self._paths[name]) or []) if name in self._paths else [] for record in records]
                ends = np.cumsum([len(rows) for rows in found], dtype=np.int64)
                rows = [row for rows in found for row in rows]
                tables[name] = Rows(ends, *columns(rows, table.fields, self._row_paths.get(name, {})))
        return Columns(np.array(which, np.int64), values, missing, tables, told), errors


def read_slowly(
    schema: Any,  # noqa: ANN401 - a schema is any JSON
    fields: Fields,
    bodies: Sequence[bytes | memoryview],
    max_rows: int,
) -> tuple[Columns, dict[int, PoisonMessage]]:
    """The same at once."""
    return SlowProjection(schema, fields).read(bodies, max_rows)


def columns(
    records: list[Any], fields: Mapping[str, Field | Table], paths: dict[str, list[str]]
) -> tuple[Values, Missing, dict[str, Told]]:
    """Every field's values, what of them is missing, and what stands where a choice is made."""
    values: Values = {}
    missing: Missing = {}
    told: dict[str, Told] = {}
    for name, field in fields.items():
        if isinstance(field, Field):
            parts = paths.get(name)
            found = [None if parts is None else cell(at(record, parts), field.kind) for record in records]
            values[name], missing[name] = column(field, found)
            if field.choices:
                told[name] = found.__getitem__
    return values, missing, told


def at(value: Any, parts: list[str]) -> Any:  # noqa: ANN401
    """What stands at the end of a path; None where it breaks off."""
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def cell(value: Any, kind: Kind) -> Any:  # noqa: ANN401
    """A value as its column holds it."""
    if value is None:
        return None
    if kind is Kind.TEXT:
        return value.encode()
    return float(value) if kind is Kind.DOUBLE else value


def without_logical_types(schema: Any) -> Any:  # noqa: ANN401
    """The schema of the numbers and texts beneath."""
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "logicalType" and not key.startswith("__")}
    return {
        key: without_logical_types(value) if key in ("type", "items", "values", "fields") else value
        for key, value in kept.items()
    }


def read_body(schema: Any, body: bytes | memoryview) -> Record:  # noqa: ANN401
    """The record of a body, all of whose bytes must belong to it. Raises PoisonMessage."""
    stream = BytesIO(body)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except EOFError as error:
        if str(error).startswith("Expected"):
            raise PoisonMessage(Reason.LENGTH_BOMB, f"a length prefix lies: {error}") from error
        raise PoisonMessage(Reason.NOT_AVRO, "the bytes end too early") from error
    except UnicodeDecodeError as error:
        raise PoisonMessage(Reason.INVALID_FIELD, "a text is not UTF-8") from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        said = ascii(f"{type(error).__name__} {error}")[1:-1]
        raise PoisonMessage(Reason.NOT_AVRO, f"not of the schema: {said[:200]}") from error
    if left := len(body) - stream.tell():
        raise PoisonMessage(Reason.NOT_AVRO, f"{left} bytes are left over after the record")
    return record  # type: ignore[return-value]
