"""Bytes that are the same in every message but for some floats, and those floats filled in for a whole batch at once.

Fastavro alone would take longer over 14 {classId, probability} than over all else of a classification.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray

from schemas.catalogue import Schema

MARK = np.float32(
    -1.5
)  # stands for a float to fill in; its bytes are in no class id and, not being UTF-8, in no string


class Template:
    """A record's bytes with a hole for each float.

    Args:
        raw: the bytes with MARK where a float goes.
    """

    def __init__(self, raw: bytes) -> None:
        starts = [i for i in range(len(raw)) if raw.startswith(MARK.tobytes(), i)]
        self.raw = np.frombuffer(raw, dtype=np.uint8)
        self._holes = (np.array(starts, np.int64)[:, None] + np.arange(MARK.itemsize)).ravel()

    def filled(self, numbers: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """The bytes [n, w] with each row's floats [n, holes] in their places."""
        filled = np.tile(self.raw, (len(numbers), 1))
        filled[:, self._holes] = np.ascontiguousarray(numbers, dtype="<f4").view(np.uint8)
        return filled


class Templates:
    """Several of one record, whose words differ but not their floats.

    Args:
        raws: the bytes of each, with MARK where a float goes.
    """

    def __init__(self, raws: Sequence[bytes]) -> None:
        self._each = [Template(raw) for raw in raws]

    def filled(self, which: NDArray[np.int64], numbers: NDArray[np.floating[Any]]) -> list[bytes]:
        """The bytes [n] of some of them [n], with each row's floats [n, holes] in their places."""
        found = [b""] * len(which)
        for one in np.unique(which).tolist():
            own = np.flatnonzero(which == one)
            for k, row in zip(own.tolist(), self._each[one].filled(numbers[own]), strict=True):
                found[k] = row.tobytes()
        return found


def part(schema: Schema, name: str, names: Sequence[str]) -> Schema:
    """Some of a record's fields as a record of their own; Avro's records are their fields one after the other."""
    fields = [f for f in schema["fields"] if f["name"] in names]
    parsed: Schema = fastavro.parse_schema({"type": "record", "name": name, "fields": fields})  # type: ignore[assignment]
    return parsed


def encoded(schema: Schema, values: dict[str, Any]) -> bytes:
    """Some values' bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, values)
    return stream.getvalue()


def long(value: int) -> bytes:
    """A number, a length or a count as Avro writes it: a zig-zag varint."""
    rest = (value << 1) ^ (value >> 63)
    if rest < 0x80:
        return ONE_BYTE[rest]
    found = bytearray()
    while rest >= 0x80:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


ONE_BYTE = [bytes([value]) for value in range(0x80)]
