"""Blocks of a container file, decompressed into a buffer of fixed size: a bomb finds no more room than that."""

import zlib
from collections.abc import Callable

import cramjam

from broker.errors import PoisonMessage, Reason

CHECKSUM_BYTES = 4  # of snappy's CRC-32; and of zlib's Adler-32, of which some writers leave a part behind deflate


def decompress(block: bytes, codec: bytes, most_bytes: int) -> bytes:
    """A block as it was before its codec, at most so many bytes. Raises PoisonMessage."""
    if (expand := CODECS.get(codec)) is None:
        known = ", ".join(name.decode() for name in CODECS)
        raise PoisonMessage(Reason.NOT_AVRO, f"codec {codec[:20]!r} is not read here; {known} are")
    try:
        return expand(block, most_bytes)
    except (zlib.error, cramjam.DecompressionError) as error:
        raise PoisonMessage(Reason.NOT_AVRO, f"the container's block does not decompress: {error}") from error


def null(block: bytes, most_bytes: int) -> bytes:
    """As it is. Raises PoisonMessage."""
    if len(block) > most_bytes:
        raise bomb(most_bytes)
    return block


def deflate(block: bytes, most_bytes: int) -> bytes:
    """One raw deflate stream. Raises PoisonMessage, zlib.error."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(block, most_bytes + 1)
    if len(data) > most_bytes:
        raise bomb(most_bytes)
    if not inflater.eof or len(inflater.unused_data) > CHECKSUM_BYTES:
        raise zlib.error("the stream does not end with the block")
    return data


def snappy(block: bytes, most_bytes: int) -> bytes:
    """Raw snappy, then a checksum of the data. Raises PoisonMessage, cramjam.DecompressionError."""
    squeezed, checksum = block[:-CHECKSUM_BYTES], block[-CHECKSUM_BYTES:]
    if (size := cramjam.snappy.decompress_raw_len(squeezed)) > most_bytes:
        raise bomb(most_bytes)
    data = bytearray(size)
    cramjam.snappy.decompress_raw_into(squeezed, data)
    if zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "big") != checksum:
        raise cramjam.DecompressionError("the checksum does not match")
    return bytes(data)


def zstandard(block: bytes, most_bytes: int) -> bytes:
    """Zstandard frames. Raises PoisonMessage, cramjam.DecompressionError."""
    data = bytearray(most_bytes)
    try:
        size: int = cramjam.zstd.decompress_into(block, data)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise bomb(most_bytes) from error
        raise
    return bytes(data[:size])


def bomb(most_bytes: int) -> PoisonMessage:
    """What a block is that would not fit."""
    return PoisonMessage(Reason.LENGTH_BOMB, f"a block of more than {most_bytes} bytes once decompressed")


CODECS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"null": null,
    b"deflate": deflate,
    b"snappy": snappy,
    b"zstandard": zstandard,
}
