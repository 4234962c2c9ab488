"""Bytes that are no Avro are called what they are."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.packets.foreign import LOOKED_AT, foreign
from tests.support.alerts import record, schemaless, wire

VOEVENT = b"""<?xml version='1.0' encoding='UTF-8'?>
<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" ivorn="ivo://a.b/c#1" role="test" version="2.0"/>"""


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), out)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("alert.avro", b"bytes")
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (json.dumps(record()).encode(), "JSON"),
        (json.dumps(record(objectId="é" * LOOKED_AT), ensure_ascii=False).encode(), "JSON"),
        (b'\xef\xbb\xbf\n [{"objectId": 1}]', "JSON"),
        (b"{}", "JSON"),
        (VOEVENT, "XML (a VOEvent)"),
        (b"<alert/>", "XML"),
        (b"<!DOCTYPE html><html>502 Bad Gateway</html>", "HTML"),
        (b"hello, is anybody there?\r\n", "text"),
        (b"object_id,mjd,band\n1,59000.5,r\n", "text"),
        (json.dumps(record()).encode("utf-16"), "UTF-16 text"),
        (gzip.compress(b"bytes", mtime=0), "gzip"),
        (bz2.compress(b"bytes"), "bzip2"),
        (lzma.compress(b"bytes"), "xz"),
        (archive(), "zip"),
        (parquet(), "parquet"),
        (b"SIMPLE  =                    T".ljust(2880), "FITS"),
        (pa.BufferOutputStream().getvalue().to_pybytes() + b"ARROW1\x00\x00", "Arrow"),
    ],
)
def test_it_is_named(value, name):
    assert foreign(value) == name


@pytest.mark.parametrize("value", [b"", b"\x00", b"abc", b"\x00\x00\x00\x00\x64", bytes(100), b"\xff" * 100, b"{a"])
def test_bytes_that_say_nothing_are_not_guessed_at(value):
    assert foreign(value) is None


def test_a_cut_or_spoilt_alert_is_not_called_something_else():
    for good in (wire(record()), schemaless(record()), wire(record(objectId="{" * 40))):
        assert {foreign(good[:length]) for length in range(len(good))} == {None}


def test_a_large_message_is_not_read_whole():
    assert foreign(b"a" * 50_000_000) == "text"
    assert foreign("é".encode() * LOOKED_AT) == "text"
    assert foreign(b"x" + "é".encode() * LOOKED_AT) == "text"
    assert foreign(b"a" * LOOKED_AT + b"\x00") == "text", "what comes later is not looked at"
