"""Which writer schemas we read: by Confluent id, by shape, and the one of a bare body.

A schema that a message brings along is never followed: it is looked up here. A hostile schema (an array of nulls, a
record within itself) therefore decodes nothing.
"""

import json
from dataclasses import dataclass, field

from fastavro.schema import parse_schema, to_parsing_canonical_form

from schemas import catalogue
from schemas.catalogue import Schema

NATIVE = "observation"


@dataclass(frozen=True, slots=True)
class Registry:
    """The schemas of one survey's alerts."""

    by_id: dict[int, Schema]
    bare: Schema  # of a body without any framing
    by_shape: dict[str, Schema] = field(default_factory=dict)  # parsing canonical form: the schema

    def find(self, text: bytes) -> Schema | None:
        """The known schema of the same shape as a schema's JSON; None for any other, however it is broken."""
        try:
            parsed = parse_schema(json.loads(text))
            return self.by_shape.get(to_parsing_canonical_form(parsed))
        except Exception:  # noqa: BLE001 - hostile JSON ends in any error of json's and fastavro's; each means unknown
            return None


def native_registry() -> Registry:
    """The native alert, in every version shipped."""
    schemas = {version: catalogue.load(name, version) for name, version in catalogue.available() if name == NATIVE}
    return Registry(
        by_id={catalogue.confluent_id(version): schema for version, schema in schemas.items()},
        bare=schemas[max(schemas)],
        by_shape={to_parsing_canonical_form(schema): schema for schema in schemas.values()},
    )
