"""Packets of Rubin, ZTF and ELAsTiCC encoded from their records, so that each node can go wrong by itself."""

import json
from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

import fastavro
from fastavro.schema import expand_schema

from broker.packets.slowly import read_body, without_logical_types
from tests.fuzz.containers import sound_block, sound_header
from tests.fuzz.values import any_value, encoded
from tests.support.hostile import CODECS
from tests.support.surveys import RUBIN_VERSIONS, body_of, real_packets, rubin_sample, rubin_schema, timed

SHOWN = 3  # rows of each history: more would take time to encode and show nothing new


class Known(NamedTuple):
    """A good packet, the plain schema of its encoder, and how its body is framed."""

    schema: Any
    record: dict[str, Any]
    frames: list[Callable[[bytes], bytes]]


@cache
def known() -> list[Known]:
    """Rubin's made-up alert of each version, and the real ones of the others, all with short histories."""
    rubin = [
        Known(*read_plainly(rubin_schema(*version), timed(rubin_sample(*version))), [partial(wired, *version)])
        for version in RUBIN_VERSIONS
    ]
    others = [
        Known(*read_plainly(packet.schema, short(packet.record)), boxes(packet.schema))
        for survey in ("ztf", "elasticc")
        for packet in real_packets(survey)
    ]
    return rubin + others


def read_plainly(schema: Any, record: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A schema without names that refer to others and without logical types, and a record as it reads it."""
    plain = without_logical_types(fastavro.parse_schema(schema))
    return without_logical_types(expand_schema(schema)), read_body(plain, body_of(schema, record))


def short(record: dict[str, Any]) -> dict[str, Any]:
    """A record with a few rows of each history, and without pictures."""
    return {
        name: value[:SHOWN] if isinstance(value, list) else None if name.startswith("cutout") else value
        for name, value in record.items()
    }


def boxes(schema: Any) -> list[Callable[[bytes], bytes]]:
    """A container's framings, by codec."""
    text = json.dumps(schema, sort_keys=True, default=str).encode()  # fastavro leaves keys in any order
    return [partial(boxed, text, codec) for codec in CODECS]


def boxed(text: bytes, codec: bytes, body: bytes) -> bytes:
    """A body in a container."""
    return sound_header(text, codec) + sound_block(CODECS[codec](body))


def wired(major: int, minor: int, body: bytes) -> bytes:
    """A body behind the id of a version of Rubin's."""
    return b"\x00" + (100 * major + minor).to_bytes(4, "big") + body


def gone_wrong(rng: Random) -> bytes:
    """A packet of theirs with values that nobody would send, or with other bytes at any node; some are as they were."""
    one = rng.choice(known())
    record = dict(one.record)
    if rng.random() < 0.5:
        for field in rng.sample(one.schema["fields"], rng.choice((1, 2, 4))):
            record[field["name"]] = any_value(rng, field["type"])
    return rng.choice(one.frames)(encoded(rng, one.schema, record, rng.choice((0.0, 0.0005, 0.003, 0.05))))
