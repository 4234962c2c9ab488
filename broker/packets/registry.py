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
NATIVE_BODY_BYTES = 256 * 1024  # 10,000 observations of history at 19 bytes each, and room to spare
SCHEMA_BYTES = 32 * 1024  # a longer schema is not even parsed: names in a long namespace take its square
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Registry:
    """The schemas of one survey's alerts, and how many bytes a body of theirs may have."""

    by_id: dict[int, Schema]
    bare: Schema  # of a body without any framing
    max_body_bytes: int  # a decoded body takes some 20 times its bytes: this bounds memory and time
    by_shape: dict[str, Schema] = field(default_factory=dict)  # parsing canonical form: the schema
    _by_text: dict[bytes, Schema] = field(default_factory=dict, repr=False, compare=False)

    def find(self, text: bytes) -> Schema | None:
        """The known schema of the same shape as a schema's JSON; None for any other, however it is broken."""
        if len(text) > SCHEMA_BYTES:
            return None
        if known := self._by_text.get(text):
            return known
        try:
            known = self.by_shape.get(to_parsing_canonical_form(parse_schema(json.loads(text))))
        except Exception:  # noqa: BLE001 - hostile JSON ends in any error of json's and fastavro's; each means unknown
            return None
        if known and len(self._by_text) < REMEMBERED:  # only what is known: strangers cannot fill it
            self._by_text[text] = known
        return known


def native_registry() -> Registry:
    """The native alert, in every version shipped."""
    schemas = {version: catalogue.load(name, version) for name, version in catalogue.available() if name == NATIVE}
    return Registry(
        by_id={catalogue.confluent_id(NATIVE, version): schema for version, schema in schemas.items()},
        bare=schemas[max(schemas)],
        max_body_bytes=NATIVE_BODY_BYTES,
        by_shape={to_parsing_canonical_form(schema): schema for schema in schemas.values()},
    )
