"""Blocks decompressed within bounds; what was changed on the way is noticed."""

import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets.compression import decompress
from tests.support.hostile import CODECS, deflate, snappy

DATA = b"an alert, an alert, an alert, an alert" * 20


def reason(block: bytes, codec: bytes, most_bytes: int) -> Reason:
    with pytest.raises(PoisonMessage) as caught:
        decompress(block, codec, most_bytes)
    return caught.value.reason


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_compressed(codec):
    assert decompress(CODECS[codec](DATA), codec, len(DATA)) == DATA


@pytest.mark.parametrize("codec", CODECS)
def test_one_byte_too_many(codec):
    assert reason(CODECS[codec](DATA), codec, len(DATA) - 1) is Reason.LENGTH_BOMB


@pytest.mark.parametrize("codec", sorted(CODECS.keys() - {b"null"}))
@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"extra", lambda b: b"", lambda b: b"\xff" * 40])
def test_a_block_that_was_changed(codec, change):
    assert reason(change(CODECS[codec](DATA)), codec, len(DATA)) in {Reason.NOT_AVRO, Reason.LENGTH_BOMB}


def test_snappy_checks_its_sum():
    block = bytearray(snappy(b"abcdefgh"))
    block[4] ^= 1
    assert reason(bytes(block), b"snappy", 100) is Reason.NOT_AVRO


def test_deflate_ends_with_its_block():
    assert reason(deflate(DATA) + deflate(DATA), b"deflate", 10_000) is Reason.NOT_AVRO


def test_a_codec_that_is_not_read_is_named_and_so_are_those_that_are():
    with pytest.raises(PoisonMessage, match=r"bzip2.*null, deflate, snappy, zstandard are"):
        decompress(DATA, b"bzip2", 100)
    assert reason(DATA, b"\x1b[2J" * 1000, 100) is Reason.NOT_AVRO
