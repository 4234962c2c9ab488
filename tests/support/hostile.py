"""Bytes that mean harm: lengths that lie, blocks that explode, schemas that nest."""

import binascii
import json
import struct
import zlib

import cramjam

from schemas.catalogue import available, load
from tests.support.alerts import record, schemaless

SCHEMA = load("observation", max(version for name, version in available() if name == "observation"))
# Sorted: fastavro leaves the keys of a parsed schema in an order that differs from process to process.
SCHEMA_TEXT = json.dumps({k: v for k, v in SCHEMA.items() if not k.startswith("__")}, sort_keys=True).encode()
BEFORE_HISTORY = schemaless(record())[:-1]  # a body whose history is still to come
OBSERVATION = struct.pack("<d", 59000.0) + b"\x02g" + struct.pack("<ff?", 1.0, 1.0, False)
SYNC = b"0123456789abcdef"


def zigzag(number: int) -> bytes:
    """An Avro int or long."""
    value = (number << 1) ^ (number >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    """An Avro string or bytes."""
    return zigzag(len(value)) + value


def history(count: int, claimed: int | None = None) -> bytes:
    """A body with so many earlier observations, that may claim to have another number of them."""
    return BEFORE_HISTORY + zigzag(count if claimed is None else claimed) + OBSERVATION * count + b"\x00"


def container(block: bytes, codec: bytes = b"null", schema: bytes | None = None, count: int = 1) -> bytes:
    """A container with one block, taken as it is."""
    schema = SCHEMA_TEXT if schema is None else schema
    header = b"Obj\x01" + zigzag(2) + text(b"avro.schema") + text(schema) + text(b"avro.codec") + text(codec) + b"\x00"
    return header + SYNC + zigzag(count) + text(block) + SYNC


def deflate(data: bytes, times: int = 1) -> bytes:
    """Data so many times over, as one stream."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(squeezer.compress(data) for _ in range(times)) + squeezer.flush()


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + struct.pack(">I", binascii.crc32(data))


def zstandard(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, 3))


def fields_schema(count: int) -> bytes:
    """A record of so many fields."""
    fields = [{"name": f"f{i}", "type": "int"} for i in range(count)]
    return json.dumps({"type": "record", "name": "a", "fields": fields}).encode()


def names_schema(count: int, namespace: int) -> bytes:
    """Records that inherit a long namespace: parsed, their full names take up its square."""
    inner = [{"name": f"f{i}", "type": {"type": "record", "name": f"r{i}", "fields": []}} for i in range(count)]
    return json.dumps({"type": "record", "name": "a", "namespace": "x" * namespace, "fields": inner}).encode()


RECURSIVE_SCHEMA = b"""{"type": "record", "name": "misweeper.Observation",
    "fields": [{"name": "a", "type": "misweeper.Observation"}]}"""

CODECS = {b"null": bytes, b"deflate": deflate, b"snappy": snappy, b"zstandard": zstandard}

BOMBS = {
    "string of 2^40": zigzag(7) + zigzag(2**40) + b"abc",
    "wire string of 2^40": b"\x00\x00\x00\x00\x64" + zigzag(7) + zigzag(2**40),
    "string of -1": zigzag(7) + zigzag(-1) + bytes(1000),
    "string of -2^62": zigzag(7) + zigzag(-(2**62)) + bytes(1000),
    "history of 2^40": history(100, claimed=2**40),
    "history of -2^63": BEFORE_HISTORY + zigzag(-(2**63)) + zigzag(5) + OBSERVATION,
    "history of negative counts": BEFORE_HISTORY + (zigzag(-(2**63)) + zigzag(5)) * 20_000,
    "history of single blocks": BEFORE_HISTORY + (zigzag(-1) + zigzag(18) + OBSERVATION) * 12_000 + b"\x00",
    "history as long as a body may be": history(13_000),
    "history of 4 MB": history(200_000),
    "endless varint": b"\x02" + b"\x80" * 250_000,
    "name of 4 MB": schemaless(record(objectId="o" * 4_000_000)),
    "name of 200 kB": schemaless(record(objectId="o" * 200_000)),
    **{f"{codec.decode()} bomb": container(CODECS[codec](bytes(3_900_000)), codec) for codec in CODECS},
    **{f"{codec.decode()} history": container(CODECS[codec](history(190_000)), codec) for codec in CODECS},
    "deflate bomb of 100 MB": container(deflate(bytes(1_000_000), 100), b"deflate"),
    "zstandard bomb of 100 MB": container(zstandard(bytes(1_000_000)) * 100, b"zstandard"),
    "snappy claims 4 GB": container(b"\xff\xff\xff\xff\x0f" + bytes(20), b"snappy"),
    "zstandard window of 2 GB": container(bytes.fromhex("28b52ffd00f8290000") + b"hello", b"zstandard"),
    "block of 2^40": container(b"")[:-17] + zigzag(2**40) + SYNC,
    "block of 2^40 records": container(history(2), count=2**40),
    "header of 2^40 entries": b"Obj\x01" + zigzag(2**40),
    "header of -2^63 entries": b"Obj\x01" + zigzag(-(2**63)) + zigzag(1),
    "header key of 2^40": b"Obj\x01" + zigzag(1) + zigzag(2**40),
    "header of one key, a million times": b"Obj\x01" + (zigzag(1) + b"\x00\x00") * 1_000_000 + b"\x00" + SYNC,
    "schema nested 50,000 times": container(b"", schema=b'{"type":' * 50_000),
    "schema nested 900 times": container(b"", schema=b'{"type":"array","items":' * 900 + b'"int"' + b"}" * 900),
    "schema of 90,000 fields": container(b"", schema=fields_schema(90_000)),
    "schema of 900 fields": container(b"", schema=fields_schema(900)),
    "schema of long names": container(b"", schema=names_schema(2000, 100_000)),
    "schema of names as long as may be": container(b"", schema=names_schema(200, 15_000)),
    "schema that holds itself": container(bytes(100), schema=RECURSIVE_SCHEMA),
    "schema of nulls": container(zigzag(2**40), schema=b'{"type":"array","items":"null"}'),
}
