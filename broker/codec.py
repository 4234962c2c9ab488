"""Decode: a message's bytes to a packet, whatever the framing; and our own records to bytes.

Three framings are told apart by their first bytes:

    container   `Obj` 0x01, header with the writer's schema, blocks: one record, in one block
    wire        0x00, four bytes of schema id (big-endian), body: Confluent's framing
    schemaless  the body alone

Never two at once: a native body begins with alertId, a zig-zag varint of at least 1, whose first byte is even and not
0, while `O` is odd.

Law 10: lengths in bytes are hostile until checked. Nothing here allocates more than the message's size times a
constant, or MAX_INFLATED, whatever its prefixes claim: the container is taken apart by code that compares every
length with what is left, and fastavro sees only a bounded body and a schema of ours.
"""

import struct
import zlib
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

import cramjam
import fastavro

from broker.errors import PoisonMessage, Reason
from broker.registry import Registry
from schemas.catalogue import Schema, confluent_id, load

CONTAINER_MAGIC = b"Obj\x01"
WIRE = struct.Struct(">bI")
SYNC_BYTES = 16
MAX_HEADER_ENTRIES = 64
MAX_INFLATED = 16 * 1024 * 1024  # bytes of a decompressed block

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
    if value.startswith(CONTAINER_MAGIC):
        schema, body = open_container(value, registry)
        return Packet(read_body(schema, body), schema["name"], Framing.CONTAINER)
    if value[0] == 0 and len(value) >= WIRE.size:
        known = registry.by_id.get(schema_id := WIRE.unpack_from(value)[1])
        if known is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"schema id {schema_id} is not known here")
        return Packet(read_body(known, value[WIRE.size :]), known["name"], Framing.WIRE)
    return Packet(read_body(registry.bare, value), registry.bare["name"], Framing.SCHEMALESS)


def read_body(schema: Schema, body: bytes) -> Record:
    """The record of a body, all of whose bytes must belong to it. Raises PoisonMessage."""
    stream = BytesIO(body)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except EOFError as error:
        if (claim := str(error)).startswith("Expected"):
            raise PoisonMessage(Reason.LENGTH_BOMB, f"a length prefix lies: {claim}") from error
        what, _, _ = claim.partition(" from ")
        raise PoisonMessage(Reason.NOT_AVRO, f"the bytes end too early: {what}") from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise PoisonMessage(Reason.NOT_AVRO, f"not a {schema['name']}: {type(error).__name__} {error}") from error
    if left := len(body) - stream.tell():
        raise PoisonMessage(Reason.NOT_AVRO, f"{left} bytes are left over after the record")
    return record  # type: ignore[return-value]


def open_container(value: bytes, registry: Registry) -> tuple[Schema, bytes]:
    """Schema and body of the one record in an object container file. Raises PoisonMessage."""
    reader = Reader(value, len(CONTAINER_MAGIC))
    header = reader.header()
    schema = registry.find(header.get("avro.schema", b""))
    if schema is None:
        raise PoisonMessage(Reason.UNKNOWN_SCHEMA, "the container's schema is not one of a survey read here")
    sync = reader.take(SYNC_BYTES)
    count = reader.length()
    block = reader.take(reader.length())
    if reader.take(SYNC_BYTES) != sync:
        raise PoisonMessage(Reason.NOT_AVRO, "the container's sync marker does not match")
    if count != 1 or reader.left:
        raise PoisonMessage(Reason.NOT_AVRO, f"one alert a message, but the container has {count} or more")
    return schema, inflate(block, header.get("avro.codec", b"null"))


def inflate(block: bytes, codec: bytes) -> bytes:
    """A container's block, decompressed; bounded by MAX_INFLATED. Raises PoisonMessage."""
    bomb = PoisonMessage(Reason.LENGTH_BOMB, f"a block inflates to more than {MAX_INFLATED} bytes")
    try:
        if codec == b"null":
            return block
        if codec == b"deflate":
            inflater = zlib.decompressobj(-15)
            data = inflater.decompress(block, MAX_INFLATED)
            if inflater.unconsumed_tail:
                raise bomb
            return data
        if codec == b"snappy":  # raw snappy, then a checksum of four bytes
            if Reader(block).long(zigzag=False) > MAX_INFLATED:
                raise bomb
            return bytes(cramjam.snappy.decompress_raw(block[:-4]))
    except (zlib.error, cramjam.DecompressionError) as error:
        raise PoisonMessage(Reason.NOT_AVRO, f"the container's block does not decompress: {error}") from error
    raise PoisonMessage(Reason.NOT_AVRO, f"codec {codec[:20]!r} is not read here; null, deflate and snappy are")


class Reader:
    """Walks over bytes and never believes a length."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._position = position

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._position

    def long(self, *, zigzag: bool = True) -> int:
        """A varint of at most ten bytes. Raises PoisonMessage."""
        value = 0
        for shift in range(0, 70, 7):
            if not self.left:
                raise PoisonMessage(Reason.NOT_AVRO, "the bytes end within a number")
            byte = self._data[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1) if zigzag else value
        raise PoisonMessage(Reason.NOT_AVRO, "a number has more than ten bytes")

    def length(self) -> int:
        """A number that must not be negative. Raises PoisonMessage."""
        if (value := self.long()) < 0:
            raise PoisonMessage(Reason.LENGTH_BOMB, f"a length is {value}")
        return value

    def take(self, size: int) -> bytes:
        """The next bytes. Raises PoisonMessage where there are not so many."""
        if size > self.left:
            raise PoisonMessage(Reason.LENGTH_BOMB, f"a length prefix claims {size} bytes, {self.left} are left")
        self._position += size
        return self._data[self._position - size : self._position]

    def header(self) -> dict[str, bytes]:
        """A container's metadata, a map in blocks. Raises PoisonMessage."""
        found: dict[str, bytes] = {}
        while count := self.long():
            if count < 0:  # then the block's size follows
                count = -count
                self.length()
            if len(found) + count > MAX_HEADER_ENTRIES:
                raise PoisonMessage(Reason.LENGTH_BOMB, f"the container's header claims {count} entries")
            for _ in range(count):
                key = self.take(self.length()).decode("utf-8", "replace")
                found[key] = self.take(self.length())
        return found


def encode(record: Record, name: str, version: int = 1) -> bytes:
    """A record of ours in the wire framing. Raises ValueError or TypeError where it does not fit its schema."""
    stream = BytesIO()
    stream.write(WIRE.pack(0, confluent_id(version)))
    fastavro.schemaless_writer(stream, load(name, version), record)
    return stream.getvalue()
