"""What is around a packet's body, whatever the framing; and our own records to bytes.

Three framings are told apart by their first bytes:

    container   `Obj` 0x01, header with the writer's schema, blocks: one record, in one block
    wire        0x00, four bytes of schema id (big-endian), body: Confluent's framing
    schemaless  the body alone

Never two at once: a native body begins with alertId, a zig-zag varint of at least 1, whose first byte is even and not
0, while `O` is odd.

Law 10: lengths in bytes are hostile until checked: whatever the prefixes claim, a body has at most
`registry.max_body_bytes`.
"""

import struct
from io import BytesIO
from typing import Any

import fastavro

from broker.errors import PoisonMessage, Reason
from broker.packets.compression import decompress
from broker.packets.containers import MAGIC, open_container
from broker.packets.registry import Registry
from schemas.catalogue import Schema, confluent_id, load

WIRE = struct.Struct(">bI")

Record = dict[str, Any]


def unwrap(value: bytes | None, registry: Registry, max_message_bytes: int) -> tuple[Schema, bytes]:
    """The writer's schema and the body of a message. Raises PoisonMessage."""
    if not value:
        raise PoisonMessage(Reason.EMPTY, "the message has no bytes")
    if len(value) > max_message_bytes:
        raise PoisonMessage(
            Reason.TOO_LARGE, f"{len(value)} bytes; at most {max_message_bytes} are read (limits.max_message_bytes)"
        )
    schema, body = taken_apart(value, registry)
    if len(body) > registry.max_body_bytes:
        raise PoisonMessage(
            Reason.TOO_LARGE, f"a body of {len(body)} bytes; a {schema['name']} has at most {registry.max_body_bytes}"
        )
    return schema, body


def taken_apart(value: bytes, registry: Registry) -> tuple[Schema, bytes]:
    """The writer's schema and the body of a message that is not empty. Raises PoisonMessage."""
    if value.startswith(MAGIC):
        text, codec, block = open_container(value)
        if (schema := registry.find(text)) is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, "the container's schema is not one of a survey read here")
        return schema, decompress(block, codec, registry.max_body_bytes)
    if value[0] == 0 and len(value) >= WIRE.size:
        if (known := registry.by_id.get(schema_id := WIRE.unpack_from(value)[1])) is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"schema id {schema_id} is not known here")
        return known, value[WIRE.size :]
    return registry.bare, value


def encode(record: Record, name: str, version: int = 1) -> bytes:
    """A record of ours in the wire framing. Raises ValueError or TypeError where it does not fit its schema."""
    stream = BytesIO()
    stream.write(WIRE.pack(0, confluent_id(name, version)))
    fastavro.schemaless_writer(stream, load(name, version), record)
    return stream.getvalue()
