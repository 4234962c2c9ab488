"""Containers gone wrong: headers, codecs, blocks, and schemas that nest, lie or grow."""

import copy
import json
from random import Random
from typing import Any

from schemas.catalogue import Schema
from tests.fuzz.values import LENGTHS, STRINGS
from tests.support.hostile import CODECS, RECURSIVE_SCHEMA, SYNC, fields_schema, names_schema, text, zigzag

MAGIC = b"Obj\x01"
CODEC_NAMES = [*CODECS, b"", b"bzip2", b"xz", b"Deflate", b"null\x00", b"\xff\xfe", b"snappy " * 100, b"\x1b[2J"]
FRAGMENTS: list[Any] = [
    *(None, {}, [], 7, -1.5, "", "null", "long", "bytes", "misweeper.Observation", True, ["null"], ["null", "null"]),
    *(
        {"type": "array", "items": "null"},
        {"type": "map", "values": "null"},
        {"type": "fixed", "name": "f", "size": 2**40},
    ),
    {"type": "enum", "name": "e", "symbols": [f"s{i}" for i in range(500)]},
    {"type": "record", "name": "misweeper.Observation", "fields": []},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": -1, "scale": 10**9},
    *([["null", "long"], "string"], ["misweeper.Observation"], "x" * 2000),
]
ATTRIBUTES = ("aliases", "default", "namespace", "name", "type", "order", "doc", "logicalType")


def header(rng: Random, schema: bytes, codec: bytes) -> bytes:
    """Magic, metadata and marker; the metadata in an unusual order, repeated, missing, or counted wrongly."""
    entries = [(b"avro.schema", schema), (b"avro.codec", codec)]
    match rng.randrange(6):
        case 0:
            entries.reverse()
        case 1:
            entries *= rng.choice((2, 20, 40))
        case 2:
            del entries[rng.randrange(2)]
        case 3:
            entries.append((rng.choice(STRINGS).encode(), rng.randbytes(rng.randrange(50))))
    body = b"".join(text(key) + text(value) for key, value in entries)
    count = len(entries) if rng.random() < 0.7 else rng.choice(LENGTHS)
    if rng.random() < 0.3:
        head = zigzag(-count) + zigzag(rng.choice((len(body), rng.choice(LENGTHS))))
    else:
        head = zigzag(count)
    end = b"\x00" if rng.random() < 0.9 else zigzag(rng.choice(LENGTHS))
    return MAGIC + head + body + end + SYNC


def sound_header(schema: bytes, codec: bytes) -> bytes:
    """The header as it should be."""
    return MAGIC + zigzag(2) + text(b"avro.schema") + text(schema) + text(b"avro.codec") + text(codec) + b"\x00" + SYNC


def block(rng: Random, data: bytes) -> bytes:
    """Count, size, data and marker, some of which lie."""
    count = 1 if rng.random() < 0.6 else rng.choice(LENGTHS)
    size = len(data) if rng.random() < 0.6 else rng.choice((len(data) - 1, len(data) + 1, rng.choice(LENGTHS)))
    marker = SYNC if rng.random() < 0.8 else rng.choice((b"", SYNC[:-1], SYNC[::-1]))
    return (zigzag(count) + zigzag(size) + data + marker) * rng.choice((1, 1, 1, 1, 0, 2))


def sound_block(data: bytes) -> bytes:
    """One record's block as it should be."""
    return zigzag(1) + text(data) + SYNC


def squeezed(rng: Random, data: bytes, codec: bytes) -> bytes:
    """Data behind a codec, or nearly so: cut, doubled, changed, with another codec's bytes, or twice as deep."""
    data = CODECS[codec](data)
    match rng.randrange(8):
        case 0:
            return data[: rng.randrange(len(data) + 1)]
        case 1:
            return data * 2
        case 2 if data:
            changed = bytearray(data)
            for _ in range(rng.choice((1, 1, 2, 8))):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            return bytes(changed)
        case 3:
            return CODECS[rng.choice(list(CODECS))](data)
        case 4:
            return data + rng.randbytes(rng.randrange(1, 9))
        case _:
            return data


def schema_text(rng: Random, schema: Schema) -> bytes:
    """A writer's schema: near enough to one of ours to be taken for it, or far off."""
    match rng.randrange(12):
        case 0:
            depth = rng.choice((10, 100, 900, 1500))
            return b'{"type":"array","items":' * depth + b'"int"' + b"}" * rng.choice((depth, depth - 1))
        case 1:
            return rng.choice((RECURSIVE_SCHEMA, fields_schema(rng.choice((1, 50, 900))), names_schema(20, 1000)))
        case 2:
            return rng.choice((b"[" * 2000, b'{"a":' * 2000, b"1" * 5000, b"\xff\xfe", b"NaN", b'"\\ud800"'))
        case 3:
            raw = bytearray(json.dumps(schema).encode())
            for _ in range(rng.choice((1, 2, 5))):
                raw[rng.randrange(len(raw))] = rng.choice(b'{}[]",:\\\x00a1\xff')
            return bytes(raw)
    changed = copy.deepcopy(schema)
    for _ in range(rng.choice((1, 1, 2, 4))):
        change(rng, changed)
    return json.dumps(changed, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def change(rng: Random, schema: Any) -> None:
    """Change one node of a schema's JSON in place."""
    nodes = list(containers_of(schema))
    node = rng.choice(nodes)
    places = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not places or rng.random() < 0.2:
        if isinstance(node, dict):
            node[rng.choice(ATTRIBUTES)] = copy.deepcopy(rng.choice(FRAGMENTS))
        else:
            node.append(copy.deepcopy(rng.choice(FRAGMENTS)))
        return
    place = rng.choice(places)
    match rng.randrange(4):
        case 0:
            del node[place]
        case 1:
            node[place] = copy.deepcopy(rng.choice(nodes))
        case _:
            node[place] = copy.deepcopy(rng.choice(FRAGMENTS))


def containers_of(node: Any) -> Any:
    """Every object and array of a JSON document."""
    if isinstance(node, dict | list):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from containers_of(child)
