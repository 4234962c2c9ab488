"""Hostile values, and an Avro encoder that goes wrong on purpose: it follows a schema, and leaves it where it is told.

Type confusion, unions without such a branch, lengths and counts that lie, numbers that never end: each at any node.
"""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from broker.surveys.checks import BRIGHTEST_NJY, LATEST_MJD, LONGEST_NAME, SMALLEST_ERROR_NJY
from tests.support.hostile import text, zigzag

LONGS = [0, 1, -1, 39, 63, 64, -64, 127, 128, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
LENGTHS = [-(2**63), -(2**62), -(2**31), -5, -1, 0, 1, 2, 63, 64, 1000, 2**16, 2**20, 2**24, 2**31, 2**40, 2**63 - 1]
FLOATS = [
    *(float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0),
    *(1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38),  # denormal and largest in single precision
    *(SMALLEST_ERROR_NJY, 9.9999e-5, BRIGHTEST_NJY, -BRIGHTEST_NJY, 1.0000001e12),
    *(20.0, 20.000002, 1000.0, 59_000.0, LATEST_MJD, 2_459_750.5),
]
DOUBLES = [*FLOATS, 5e-324, 2.2250738585072009e-308, 1.7976931348623157e308, np.nextafter(LATEST_MJD, 0), 360.0, -90.0]
STRINGS = [
    *("", "r", "g", "R", " r", "ugrizy", "\x00", "r\x00", "б", "null", "nan", "615", "misweeper.Observation"),
    *("\x1b[2J", "a\nb", "\u202e", "\u200b", "\ufeff", "e\u0301", "\U0001f52d" * 64, "\U0001f52d" * 65),
    *("é" * (LONGEST_NAME // 2), "o" * LONGEST_NAME, "o" * (LONGEST_NAME + 1), "o" * 5000, "\x1b]0;" * 500),
]
NOT_UTF8 = [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"r\x80"]

Schema = Any  # of one node: a name, a list of branches or a dictionary


def kind_of(schema: Schema) -> str:
    """The Avro type of a node."""
    return "union" if isinstance(schema, list) else schema if isinstance(schema, str) else kind_of(schema["type"])


def any_value(rng: Random, schema: Schema) -> Any:
    """A value that the schema allows and nobody would send."""
    return VALUES[kind_of(schema)](rng, schema)


def unpacked(rng: Random, form: str) -> float:
    """Any bit pattern of a number."""
    return struct.unpack(form, rng.randbytes(struct.calcsize(form)))[0]


def encoded(rng: Random, schema: Schema, value: Any, rate: float = 0.0) -> bytes:
    """A value's bytes; at each node, at such a rate, other bytes in their place."""
    if rate and rng.random() < rate:
        return confused(rng, schema, value)
    match kind_of(schema):
        case "union":
            branch = next(i for i, one in enumerate(schema) if (kind_of(one) == "null") == (value is None))
            return zigzag(branch) + encoded(rng, schema[branch], value, rate)
        case "array":
            items = [encoded(rng, schema["items"], one, rate) for one in value]
            return (zigzag(len(items)) + b"".join(items) if items else b"") + b"\x00"
        case "record":
            return b"".join(encoded(rng, field["type"], value[field["name"]], rate) for field in schema["fields"])
        case kind:
            return PRIMITIVES[kind](value)


def confused(rng: Random, schema: Schema, value: Any) -> bytes:
    """What a node's bytes must not be; sometimes they are no worse than strange."""
    honest = encoded(rng, schema, value)
    match kind_of(schema):
        case "union":
            own = [zigzag(rng.choice(LONGS)) + honest[1:], zigzag(rng.randrange(len(schema)))]
        case "string":
            lying = zigzag(rng.choice(LENGTHS))
            own = [lying + honest[1:], text(rng.choice(NOT_UTF8)), overlong(rng, len(honest) - 1) + honest[1:]]
        case "array":
            own = [blocks(rng, schema, value) for _ in range(3)]
        case "long":
            own = [overlong(rng, value), zigzag(rng.choice(LONGS))]
        case _:
            own = []
    anyone = [b"", honest * 2, honest[: rng.randrange(len(honest) + 1)], rng.randbytes(rng.randrange(12)), other(rng)]
    return rng.choice(own + anyone)


def other(rng: Random) -> bytes:
    """A value of some other type."""
    kind = rng.choice(("long", "float", "double", "string", "boolean"))
    return encoded(rng, kind, any_value(rng, kind))


def overlong(rng: Random, number: int) -> bytes:
    """A number in more bytes than it needs, or in more than there may be."""
    value = (number << 1) ^ (number >> 63)
    digits = [value >> 7 * i & 0x7F | 0x80 for i in range(rng.choice((2, 9, 10, 11, 40, 2000)))]
    return bytes([*digits, 0])


def blocks(rng: Random, schema: Schema, items: list[Any]) -> bytes:
    """An array's items in blocks as the format allows them and as it does not: signed counts, sizes, lies, no end."""
    out = bytearray()
    for one in items or [any_value(rng, schema["items"])]:
        body = encoded(rng, schema["items"], one)
        size = rng.choice((len(body), rng.choice(LENGTHS)))
        count = rng.choice((-1, 1, -1, 1, rng.choice(LENGTHS)))
        out += zigzag(count) + (zigzag(size) if count < 0 else b"") + body
    return bytes(out) * rng.choice((1, 1, 1, 50)) + rng.choice((b"\x00", b"", zigzag(rng.choice(LENGTHS))))


VALUES: dict[str, Callable[[Random, Schema], Any]] = {
    "union": lambda rng, schema: any_value(rng, rng.choice(schema)),
    "null": lambda _, __: None,
    "boolean": lambda rng, _: rng.random() < 0.5,
    "int": lambda rng, _: rng.choice(LONGS),
    "bytes": lambda rng, _: rng.randbytes(rng.choice((0, 1, 300))),
    "long": lambda rng, _: rng.choice(LONGS) if rng.random() < 0.7 else rng.getrandbits(64) - 2**63,
    "float": lambda rng, _: rng.choice(FLOATS) if rng.random() < 0.7 else unpacked(rng, "<f"),
    "double": lambda rng, _: rng.choice(DOUBLES) if rng.random() < 0.7 else unpacked(rng, "<d"),
    "string": lambda rng, _: rng.choice(STRINGS),
    "array": lambda rng, schema: [any_value(rng, schema["items"]) for _ in range(rng.choice((0, 1, 1, 2, 8)))],
    "record": lambda rng, schema: {field["name"]: any_value(rng, field["type"]) for field in schema["fields"]},
}
PRIMITIVES: dict[str, Callable[[Any], bytes]] = {
    "null": lambda _: b"",
    "boolean": lambda value: bytes([bool(value)]),
    "int": zigzag,
    "long": zigzag,
    "bytes": text,
    "float": lambda value: np.float32(value).tobytes(),
    "double": lambda value: np.float64(value).tobytes(),
    "string": lambda value: text(value.encode()),
}
