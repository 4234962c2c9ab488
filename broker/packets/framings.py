"""Decode: a message's bytes to a packet, whatever the framing; and our own records to bytes.

Three framings are told apart by their first bytes:

    container   `Obj` 0x01, header with the writer's schema, blocks: one record, in one block
    wire        0x00, four bytes of schema id (big-endian), body: Confluent's framing
    schemaless  the body alone

Never two at once: a native body begins with alertId, a zig-zag varint of at least 1, whose first byte is even and not
0, while `O` is odd.

Law 10: lengths in bytes are hostile until checked. Whatever the prefixes claim, fastavro sees only a body of at most
`registry.max_body_bytes` and a schema of ours, none of whose array items is empty: memory and time are bounded by it.
"""

import struct
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

import fastavro

from broker.errors import PoisonMessage, Reason
from broker.packets.compression import decompress
from broker.packets.containers import MAGIC, open_container
from broker.packets.registry import Registry
from schemas.catalogue import Schema, confluent_id, load

WIRE = struct.Struct(">bI")

Record = dict[str, Any]


class Framing(StrEnum):
    """How the bytes of a message are wrapped."""

    CONTAINER = "container"
    WIRE = "wire"
    SCHEMALESS = "schemaless"


class Packet(NamedTuple):
    """A decoded message."""

    record: Record
    schema_name: str  # full name of the writer's schema: picks the adapter
    framing: Framing


def decode(value: bytes | None, registry: Registry, max_message_bytes: int) -> Packet:
    """One message's packet. Raises PoisonMessage."""
    if not value:
        raise PoisonMessage(Reason.EMPTY, "the message has no bytes")
    if len(value) > max_message_bytes:
        raise PoisonMessage(
            Reason.TOO_LARGE, f"{len(value)} bytes; at most {max_message_bytes} are read (limits.max_message_bytes)"
        )
    schema, body, framing = unwrap(value, registry)
    if len(body) > registry.max_body_bytes:
        raise PoisonMessage(
            Reason.TOO_LARGE, f"a body of {len(body)} bytes; a {schema['name']} has at most {registry.max_body_bytes}"
        )
    return Packet(read_body(schema, body), schema["name"], framing)


def unwrap(value: bytes, registry: Registry) -> tuple[Schema, bytes, Framing]:
    """The writer's schema, the body and the framing of a message. Raises PoisonMessage."""
    if value.startswith(MAGIC):
        text, codec, block = open_container(value)
        if (schema := registry.find(text)) is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, "the container's schema is not one of a survey read here")
        return schema, decompress(block, codec, registry.max_body_bytes), Framing.CONTAINER
    if value[0] == 0 and len(value) >= WIRE.size:
        if (known := registry.by_id.get(schema_id := WIRE.unpack_from(value)[1])) is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"schema id {schema_id} is not known here")
        return known, value[WIRE.size :], Framing.WIRE
    return registry.bare, value, Framing.SCHEMALESS


def read_body(schema: Schema, body: bytes) -> Record:
    """The record of a body, all of whose bytes must belong to it. Raises PoisonMessage."""
    stream = BytesIO(body)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except EOFError as error:
        if (claim := str(error)).startswith("Expected"):
            raise PoisonMessage(Reason.LENGTH_BOMB, f"a length prefix lies: {claim}") from error
        raise PoisonMessage(Reason.NOT_AVRO, "the bytes end too early") from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise PoisonMessage(Reason.NOT_AVRO, f"not a {schema['name']}: {type(error).__name__} {error}") from error
    if left := len(body) - stream.tell():
        raise PoisonMessage(Reason.NOT_AVRO, f"{left} bytes are left over after the record")
    return record  # type: ignore[return-value]


def encode(record: Record, name: str, version: int = 1) -> bytes:
    """A record of ours in the wire framing. Raises ValueError or TypeError where it does not fit its schema."""
    stream = BytesIO()
    stream.write(WIRE.pack(0, confluent_id(version)))
    fastavro.schemaless_writer(stream, load(name, version), record)
    return stream.getvalue()
