"""What is around a packet's body, whatever the framing; and our own records to bytes.

Four framings are told apart by their bytes, or are pinned for a topic:

    container      `Obj` 0x01, header with the writer's schema, blocks: one record
    schema in key  the body alone; the message's key is the writer's schema
    wire           0x00, four bytes of schema id (big-endian), body: Confluent's framing
    schemaless     the body alone, of the schema that is configured for its topic

They are looked for in this order. A native body is never mistaken: it begins with alertId, a zig-zag varint of at least
1, whose first byte is even and not 0, while `O` is odd. A body of another survey might begin with 0x00: pin its topic.

Law 10: lengths in bytes are hostile until checked: whatever the prefixes claim, a body has at most the survey's
`max_body_bytes`.
"""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro

from broker.errors import PoisonMessage, Reason
from broker.packets.compression import decompress
from broker.packets.containers import MAGIC, open_container
from broker.packets.formats import Format
from broker.packets.writers import Writer, Writers
from schemas.catalogue import confluent_id, load

WIRE = struct.Struct(">bI")

Record = dict[str, Any]


def unwrap(
    value: bytes | None, key: Callable[[], bytes | None], form: Format, writers: Writers, max_message_bytes: int
) -> tuple[Writer, bytes]:
    """The writer and the body of a message; its key is asked for where it may matter.

    Raises PoisonMessage; TransientError where nobody can say what its schema id means.
    """
    if not value:
        raise PoisonMessage(Reason.EMPTY, "the message has no bytes")
    if len(value) > max_message_bytes:
        raise PoisonMessage(
            Reason.TOO_LARGE, f"{len(value)} bytes; at most {max_message_bytes} are read (limits.max_message_bytes)"
        )
    writer, body = taken_apart(value, key, form, writers)
    if len(body) > (most := writer.survey.max_body_bytes):
        raise PoisonMessage(
            Reason.TOO_LARGE, f"a body of {len(body)} bytes; a {writer.schema['name']} has at most {most}"
        )
    return writer, body


def taken_apart(value: bytes, key: Callable[[], bytes | None], form: Format, writers: Writers) -> tuple[Writer, bytes]:
    """The same of a message that is neither empty nor too large."""
    framing, pinned = form.framing, form.framing != "any"
    if framing == "container" or (not pinned and value.startswith(MAGIC)):
        if not value.startswith(MAGIC):
            raise PoisonMessage(Reason.NOT_AVRO, "no object container file, which its topic is said to have")
        text, codec, block = open_container(value)
        writer = writers.of(text)
        return writer, decompress(block, codec, writer.survey.max_body_bytes)
    if framing == "schema_in_key" or (not pinned and is_schema(key())):
        return writers.of((key() or b"").strip()), value  # blanks around it only tell objects apart, as in our own
    if framing == "wire" or (not pinned and value[0] == 0 and len(value) >= WIRE.size):
        if value[0] != 0 or len(value) < WIRE.size:
            raise PoisonMessage(Reason.NOT_AVRO, "no schema id, which the messages of its topic are said to begin with")
        return form.by_id(WIRE.unpack_from(value)[1]), value[WIRE.size :]
    if form.bare is None:
        raise PoisonMessage(
            Reason.NOT_AVRO, "no framing fits; of a bare body MISWEEPER_PACKETS__FORMATS names the topic's schema_file"
        )
    return form.bare, value


def is_schema(key: bytes | None) -> bool:
    """Whether a key can be a record's schema: the name of an object hardly looks like one."""
    return key is not None and key.startswith(b"{") and b'"fields"' in key


def encode(record: Record, name: str, version: int | None = None) -> bytes:
    """A record of ours in the wire framing; None is the newest version.

    Raises ValueError or TypeError where it does not fit its schema.
    """
    stream = BytesIO()
    stream.write(WIRE.pack(0, confluent_id(name, version)))
    fastavro.schemaless_writer(stream, load(name, version), record)
    return stream.getvalue()
