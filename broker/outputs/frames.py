"""What is around a body that is published: a container file, nothing, Confluent's wire, or its schema in Kafka's key.

The opposite of `packets.framings`. Whatever is the same in each message of a schema is made once.
"""

import json
from collections.abc import Sequence
from hashlib import md5
from typing import Any
from zlib import crc32

from broker.outputs.template import long
from broker.packets.containers import MAGIC, SYNC_BYTES
from broker.packets.framings import WIRE
from broker.settings.routes import Framing
from schemas.catalogue import Schema

SPREAD = 16  # partitions at most that messages with one schema in their keys go to


class Frame:
    """The framing of one schema's bodies.

    Args:
        framing: which.
        schema: of the bodies.
        confluent_id: what the wire framing names it by.
    """

    def __init__(self, framing: Framing, schema: Schema, confluent_id: int = 0) -> None:
        text = json.dumps(schema_of(schema), separators=(",", ":")).encode()
        self._before, self._after, self._sized = b"", b"", framing == "container"
        self._keys: list[bytes] = []
        if framing == "wire":
            self._before = WIRE.pack(0, confluent_id)
        elif framing == "container":
            sync = md5(text, usedforsecurity=False).digest()
            assert len(sync) == SYNC_BYTES
            pairs = (b"avro.codec", b"null", b"avro.schema", text)
            metadata = b"".join(long(len(one)) + one for one in pairs)
            self._before = b"".join((MAGIC, long(2), metadata, long(0), sync, long(1)))
            self._after = sync
        elif framing == "schema_in_key":
            # Kafka's partition follows from the key: blanks behind a JSON text mean nothing and tell objects apart.
            self._keys = [text + b" " * number for number in range(SPREAD)]

    def value(self, *body: bytes) -> bytes:
        """The message of a body that is given in pieces."""
        size = long(sum(map(len, body))) if self._sized else b""
        return b"".join((self._before, size, *body, self._after))

    def key(self, name: bytes | None) -> bytes | None:
        """The message's key, for an object's name; an object's messages stay in order."""
        return self._keys[crc32(name or b"") % SPREAD] if self._keys else name


def schema_of(schema: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    """A schema without its documentation and without fastavro's own marks: of Rubin's, a seventh is left."""
    if isinstance(schema, list):
        return [schema_of(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: schema_of(value) if key in ("type", "items", "values", "fields") else value
        for key, value in schema.items()
        if key != "doc" and not key.startswith("__")
    }


def named_types(schema: Any) -> set[str]:  # noqa: ANN401 - a schema is any JSON
    """The full names of every type that a parsed schema defines."""
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return set().union(*map(named_types, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["name"]} if schema.get("type") in ("record", "error", "enum", "fixed") else set()
    return own.union(*(named_types(schema.get(key)) for key in ("type", "items", "values", "fields")))
