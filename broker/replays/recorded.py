"""Files of real packets as messages: byte for byte as they were sent, one alert a message.

A container of several records is taken apart: each gets a container of its own with the same schema, and its bytes are
neither decoded nor written anew.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import fastavro

from broker.packets.containers import MAGIC
from broker.replays.containers import contained, opening
from broker.replays.packet import Packet

WIRE_MAGIC = b"\x00"
OURS = "misweeper.Observation"


def is_recorded(path: Path) -> bool:
    """Whether a file holds packets of a survey, not native alerts. Raises OSError, ValueError, EOFError."""
    with path.open("rb") as file:
        if (head := file.read(len(MAGIC))) != MAGIC:
            return head.startswith(WIRE_MAGIC)
        file.seek(0)
        schema = fastavro.reader(file).writer_schema
    return not isinstance(schema, dict) or schema.get("name") != OURS


def recorded_packets(path: Path) -> Iterator[Packet]:
    """The messages of a file that `is_recorded`. Raises OSError, ValueError, EOFError."""
    value = path.read_bytes()
    if value.startswith(WIRE_MAGIC):
        yield Packet(value)
        return
    blocks = list(fastavro.block_reader(BytesIO(value)))
    if len(blocks) == 1 and blocks[0].num_records == 1:
        yield Packet(value)
        return
    for block in blocks:
        schema = fastavro.parse_schema(block.writer_schema)
        opened = opening(block.writer_schema)
        for record in records_in(block.bytes_, block.num_records, schema):  # type: ignore[attr-defined]
            yield Packet(contained(opened, record))


def records_in(block: BytesIO, count: int, schema: object) -> Iterator[bytes]:
    """The bytes of each record of a block, which is not compressed any more."""
    data = block.getvalue()
    start = block.tell()
    for _ in range(count):
        fastavro.schemaless_reader(block, schema, None)  # type: ignore[arg-type]
        yield data[start : block.tell()]
        start = block.tell()
