"""Object container files around bodies that are encoded already: one record each, not compressed."""

import json
import os

from broker.packets.containers import MAGIC, SYNC_BYTES


def opening(schema: object) -> bytes:
    """The first bytes of every container of a schema, up to its sync marker."""
    entries = {"avro.codec": b"null", "avro.schema": json.dumps(schema).encode()}
    told = b"".join(varint(len(part)) + part for key, value in entries.items() for part in (key.encode(), value))
    return MAGIC + varint(len(entries)) + told + varint(0)


def contained(opened: bytes, record: bytes) -> bytes:
    """A container of one record's bytes."""
    sync = os.urandom(SYNC_BYTES)
    return b"".join((opened, sync, varint(1), varint(len(record)), record, sync))


def varint(value: int) -> bytes:
    """A number that is not negative as Avro writes it: zig-zag, seven bits a byte."""
    value <<= 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
