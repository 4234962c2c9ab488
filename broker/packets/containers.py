"""Object container files, taken apart by code that compares every length with what is left (law 10).

A container has the magic, a map of metadata with the writer's schema and the codec, a sync marker, and blocks, each
with a count, a size, its bytes and the marker again. Source: Avro 1.11 specification, "Object Container Files".
"""

from typing import NamedTuple

from broker.errors import PoisonMessage, Reason

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
MAX_ENTRIES = 64  # of the metadata
MAX_BLOCKS = 64
MAX_VARINT_BYTES = 10
REMEDY = "misweeper replay sends each of a file's by itself"


class Container(NamedTuple):
    """What a container of one record holds."""

    schema: bytes  # JSON
    codec: bytes
    block: bytes  # as the codec left it


def open_container(value: bytes) -> Container:
    """The parts of a container that holds one record. Raises PoisonMessage."""
    reader = Reader(value, len(MAGIC))
    metadata = reader.metadata()
    sync = reader.marker()
    alerts, block = 0, b""
    for _ in range(MAX_BLOCKS):
        count = reader.length()
        found = reader.take(reader.length())
        if reader.marker() != sync:
            raise PoisonMessage(Reason.NOT_AVRO, "the container's sync marker does not match")
        alerts, block = alerts + count, found if count else block
        if not reader.left:
            break
    if alerts != 1 or reader.left:
        seen = f"{alerts} or more" if reader.left else str(alerts)
        raise PoisonMessage(Reason.NOT_AVRO, f"one alert a message, but the container has {seen}: {REMEDY}")
    return Container(metadata.get(b"avro.schema", b""), metadata.get(b"avro.codec", b"null"), block)


class Reader:
    """Walks over bytes and never believes a length."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._position = position

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._position

    def long(self) -> int:
        """A zig-zag varint. Raises PoisonMessage."""
        value = 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            if not self.left:
                raise PoisonMessage(Reason.NOT_AVRO, "the bytes end within a number")
            byte = self._data[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
        raise PoisonMessage(Reason.NOT_AVRO, f"a number has more than {MAX_VARINT_BYTES} bytes")

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

    def marker(self) -> bytes:
        """A sync marker. Raises PoisonMessage where the bytes end within it."""
        if self.left < SYNC_BYTES:
            raise PoisonMessage(Reason.NOT_AVRO, "the container ends within a sync marker")
        return self.take(SYNC_BYTES)

    def metadata(self) -> dict[bytes, bytes]:
        """A map of bytes, in blocks. Raises PoisonMessage."""
        found: dict[bytes, bytes] = {}
        entries = 0  # counted, not len(found): the same key over and over is work too
        while count := self.long():
            if count < 0:  # then the block's size follows
                count = -count
                self.length()
            if (entries := entries + count) > MAX_ENTRIES:
                raise PoisonMessage(Reason.LENGTH_BOMB, f"the container's header claims {entries} entries or more")
            for _ in range(count):
                key = self.take(self.length())
                found[key] = self.take(self.length())
        return found
