"""Packets that no survey sends: good ones gone wrong in every way, and some that never were any good.

A packet follows from the seed and its number alone, so each can be made again by itself.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any

from schemas.catalogue import confluent_id
from tests.fuzz.containers import CODEC_NAMES, block, header, schema_text, sound_block, sound_header, squeezed
from tests.fuzz.surveys import gone_wrong
from tests.fuzz.values import any_value, blocks, encoded
from tests.support.alerts import PACKETS, record, schemaless
from tests.support.hostile import BEFORE_HISTORY, BOMBS, CODECS, OBSERVATION, SCHEMA, SCHEMA_TEXT, history, zigzag
from tests.support.reading import LARGEST_MESSAGE

SURVEYS = ("rubin", "ztf", "elasticc", "negative")
PLAIN = json.loads(SCHEMA_TEXT)
EARLIER = {"mjd": 59_000.5, "band": "g", "flux": 12.5, "fluxErr": 3.0, "detected": False}
IDS = [0, 1, 99, 101, 200, 900, 1000, 1100, 2**16, 2**31, 2**32 - 1]
LARGEST_SPLICE = 65_536  # bytes of either part, but for real packets: the rest would cost time and show nothing new


@cache
def real() -> list[bytes]:
    """The real packets of every survey, smallest first; they lie beside the repository."""
    found = [path.read_bytes() for survey in SURVEYS for path in sorted((PACKETS / survey).glob("*.avro"))]
    return sorted(found, key=len)


@cache
def good() -> list[bytes]:
    """Native alerts in every framing, with and without history."""
    bodies = [schemaless(record(history=[EARLIER] * n)) for n in (0, 1, 40)]
    containers = [partial(contained, codec) for codec in CODECS]
    return [
        frame(body) for frame in (bytes, partial(wired, confluent_id("observation", 1)), *containers) for body in bodies
    ]


def a_record(rng: Random) -> dict[str, Any]:
    """A good native alert, unlike the one before."""
    return record(
        alertId=rng.getrandbits(rng.choice((3, 20, 62))) + 1,
        objectId=str(rng.getrandbits(20)),
        mjd=59_000 + 1000 * rng.random(),
        band=rng.choice("ugrizy"),
        flux=rng.gauss(0, 1e4),
        fluxErr=1 + 100 * rng.random(),
        history=[EARLIER] * rng.choice((0, 0, 1, 3)),
    )


def framed(rng: Random, body: bytes) -> bytes:
    """A body in any framing."""
    match rng.randrange(3):
        case 0:
            return body
        case 1:
            return wired(confluent_id("observation", 1), body)
    return contained(rng.choice(list(CODECS)), body)


def contained(codec: bytes, body: bytes) -> bytes:
    """A body in a container; fastavro would give it another marker each time."""
    return sound_header(SCHEMA_TEXT, codec) + sound_block(CODECS[codec](body))


def wired(schema_id: int, body: bytes) -> bytes:
    """A body behind a schema id."""
    return b"\x00" + schema_id.to_bytes(4, "big") + body


def values(rng: Random) -> bytes:
    """What the schema allows and nobody would send: NaN, infinite, denormal, endless, empty, in any field."""
    alert = a_record(rng)
    for field in rng.sample(SCHEMA["fields"], rng.choice((1, 1, 2, 15))):
        alert[field["name"]] = any_value(rng, field["type"])
    return framed(rng, encoded(rng, SCHEMA, alert))


def confusion(rng: Random) -> bytes:
    """Other types, branches, lengths and counts than the schema's, at any node."""
    return framed(rng, encoded(rng, SCHEMA, a_record(rng), rng.choice((0.03, 0.1, 0.3))))


def arrays(rng: Random) -> bytes:
    """Histories: long, in blocks of any size, with counts that lie."""
    match rng.randrange(30):  # the long ones are dear: most are short
        case 0:
            n = rng.choice((100, 1000, 9_999, 10_000, 10_001, 12_000))
            return framed(rng, history(n, rng.choice((n, n, n - 1, n + 1, 2**40, -n))))
        case 1:
            unit = rng.choice((zigzag(-1) + zigzag(18) + OBSERVATION, zigzag(1) + OBSERVATION, zigzag(-1), b"\x01\x00"))
            return framed(rng, BEFORE_HISTORY + unit * rng.choice((10, 1000, 10_000)) + b"\x00")
    items = [EARLIER] * rng.choice((1, 2, 10))
    return framed(rng, BEFORE_HISTORY + blocks(rng, SCHEMA["fields"][-1]["type"], items))


def headers(rng: Random) -> bytes:
    """A container's header, codec's name and block's counts."""
    codec = rng.choice(CODEC_NAMES) if rng.random() < 0.3 else rng.choice(list(CODECS))
    body = encoded(rng, SCHEMA, a_record(rng))
    head = header(rng, SCHEMA_TEXT, codec) if rng.random() < 0.7 else sound_header(SCHEMA_TEXT, codec)
    return head + block(rng, CODECS.get(codec, bytes)(body))


def schemas(rng: Random) -> bytes:
    """A container with another writer's schema: nested, recursive, renamed, aliased, grown, or no schema at all."""
    body = encoded(rng, SCHEMA, a_record(rng))
    return sound_header(schema_text(rng, PLAIN), b"null") + sound_block(body)


def codecs(rng: Random) -> bytes:
    """A container whose block does not decompress, or to something else, or to far too much."""
    codec = rng.choice(list(CODECS))
    if rng.random() < 0.1:
        data = rng.choice((b"\x00", b"\xff", OBSERVATION)) * rng.choice((1000, 20_000, 300_000))
    else:
        data = encoded(rng, SCHEMA, a_record(rng))
    return sound_header(SCHEMA_TEXT, codec) + sound_block(squeezed(rng, data, codec))


def wires(rng: Random) -> bytes:
    """Known and unknown schema ids before bodies of any survey, and the five bytes cut short."""
    schema_id = rng.choice(IDS) if rng.random() < 0.6 else confluent_id("observation", 1)
    body = rng.choice((encoded(rng, SCHEMA, a_record(rng)), rng.choice(real())[5:LARGEST_SPLICE], b""))
    value = wired(schema_id, body)
    return value if rng.random() < 0.8 else value[: rng.randrange(7)]


def damage(rng: Random) -> bytes:
    """A good native alert in any framing, its bytes changed."""
    return changed(rng, rng.choice(good()))


def survey(rng: Random) -> bytes:
    """A real packet of any survey, its bytes changed."""
    return changed(rng, rng.choice(real()))


def graft(rng: Random) -> bytes:
    """A part of a real packet where a native body should be."""
    packet = rng.choice(real())
    begin = rng.choice((0, 5, rng.randrange(len(packet))))
    part = packet[begin : begin + rng.choice((64, 1000, LARGEST_SPLICE, 300_000))]
    return framed(rng, BEFORE_HISTORY[: rng.choice((0, 1, 20, len(BEFORE_HISTORY)))] + part)


def splice(rng: Random) -> bytes:
    """The beginning of one packet and the end of another."""
    first, second = (rng.choice(rng.choice((good(), real()))) for _ in range(2))
    cut = rng.randrange(min(len(first), LARGEST_SPLICE))
    return first[:cut] + second[rng.randrange(len(second)) :][-LARGEST_SPLICE:]


def noise(rng: Random) -> bytes:
    """Bytes that never were a packet."""
    size = rng.choice((0, 1, 2, 5, 6, 40, 300, 5000))
    match rng.randrange(4):
        case 0:
            return bytes([rng.randrange(256)]) * size
        case 1:
            return json.dumps(a_record(rng)).encode()
        case 2:
            return rng.choice((b"Obj\x01", b"\x00\x00\x00\x00\x64", b"Obj\x02", b"\x02")) + rng.randbytes(size)
    return rng.randbytes(size)


def bombs(rng: Random) -> bytes:
    """The bombs that are known by name, as they are or changed; and messages of the largest size."""
    if rng.random() < 0.02:
        return b"\x02" * (LARGEST_MESSAGE + rng.choice((0, 1)))
    value = BOMBS[rng.choice(list(BOMBS))]
    return value if rng.random() < 0.3 else changed(rng, value)


def changed(rng: Random, value: bytes) -> bytes:
    """Bits flipped, bytes set, cut, doubled, put in or taken out, numbers put in their place."""
    out = bytearray(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if out:
            near = min(len(out), rng.choice((8, 64, 8192, len(out))))  # what stands first decides most
            at = rng.randrange(near)
            size, new = rng.choice(CHANGES)(rng, out, at)
            out[at : at + size] = new
    return bytes(out)


# At a place in some bytes: how many of them go, and what comes in their stead.
CHANGES: list[Callable[[Random, bytearray, int], tuple[int, bytes]]] = [
    *[lambda rng, out, at: (1, bytes([out[at] ^ 1 << rng.randrange(8)]))] * 2,
    lambda rng, _, __: (1, bytes([rng.choice((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF))])),
    lambda _, out, __: (len(out), b""),
    lambda rng, _, __: (rng.choice((1, 4, 40)), b""),
    lambda rng, _, __: (0, rng.randbytes(rng.choice((1, 4, 40)))),
    lambda rng, out, at: (0, bytes(out[at : at + rng.choice((1, 4, 40, 4000))])),
    lambda rng, _, __: (rng.choice((0, 1, 6)), zigzag(rng.choice((-1, 0, 2**31, 2**40, 2**63 - 1, -(2**63))))),
    lambda rng, _, __: (8, rng.choice((b"\x00", b"\xff", b"\x80")) * 8),
]
KINDS: dict[str, tuple[Callable[[Random], bytes], int]] = {  # with how many in a hundred there are
    "values": (values, 11),
    "confusion": (confusion, 11),
    "surveys": (gone_wrong, 8),
    "arrays": (arrays, 6),
    "headers": (headers, 8),
    "schemas": (schemas, 8),
    "codecs": (codecs, 8),
    "wires": (wires, 5),
    "damage": (damage, 11),
    "survey": (survey, 10),
    "graft": (graft, 4),
    "splice": (splice, 5),
    "noise": (noise, 4),
    "bombs": (bombs, 1),
}
NAMES = list(KINDS)
WEIGHTS = [weight for _, weight in KINDS.values()]


def packet(seed: int, number: int) -> tuple[str, bytes | None]:
    """The kind and the bytes of one packet of a run."""
    rng = Random((seed << 40) | number)
    (kind,) = rng.choices(NAMES, WEIGHTS)
    value = KINDS[kind][0](rng)
    if rng.random() < 0.1:
        value = changed(rng, value)
    return kind, value or None
