"""Real packets night after night: the history grows by what the night before showed, for as many objects as wanted.

The packets lie beside the repository. Each is decoded, gets the rows of the nights before and is written anew under its
writer's schema, before anything is timed. Rubin's bodies are written once a night; an object of another number is the
same bytes, since its number takes as many.
"""

from collections.abc import Iterator
from io import BytesIO
from itertools import cycle, islice
from typing import Any

import fastavro

from broker.packets.framings import WIRE
from broker.replays.containers import varint
from broker.replays.packet import body
from broker.replays.ztf import ztf_name
from tests.support.alerts import packets
from tests.support.surveys import rubin_schema

NIGHT_DAYS = 1.0
BEFORE_DAYS = 0.04  # a visit in vain, before the detection of a night
Record = dict[str, Any]
Keyed = tuple[bytes, bytes]  # key and value


class RubinNights:
    """Rubin's packets in its wire framing, with the images that they bring.

    Args:
        nights: how many.
    """

    def __init__(self, nights: int) -> None:
        self._bodies: list[tuple[int, list[bytes]]] = []  # of each packet: its object's number, each night's bytes
        for path in packets("rubin"):
            value = path.read_bytes()
            (_, schema_id) = WIRE.unpack_from(value)
            schema = rubin_schema(*divmod(schema_id, 100))
            record = fastavro.schemaless_reader(BytesIO(value[WIRE.size :]), schema, None)
            made = [WIRE.pack(0, schema_id) + body(schema, rubin_night(record, n)) for n in range(nights)]
            self._bodies.append((record["diaSource"]["diaObjectId"], made))

    def night(self, number: int, objects: range) -> Iterator[Keyed]:
        """A packet of each of some objects."""
        for name in objects:
            known, bodies = self._bodies[name % len(self._bodies)]
            other = known + 1 + name
            yield b"%d" % other, bodies[number].replace(varint(known), varint(other))


class ZtfNights:
    """ZTF's containers, each in the codec of the real one.

    Args:
        nights: how many.
    """

    def __init__(self, nights: int) -> None:
        self._nights: list[list[tuple[Any, str, Record]]] = [[] for _ in range(nights)]
        for path in packets("ztf"):
            with path.open("rb") as file:
                reader = fastavro.reader(file)
                record, schema = next(reader), fastavro.parse_schema(reader.writer_schema)
            if not record.get("prv_candidates"):
                continue
            for number, made in enumerate(self._nights):
                made.append((schema, reader.codec, ztf_night(record, number)))

    def night(self, number: int, objects: range) -> Iterator[Keyed]:
        """A packet of each of some objects."""
        made = self._nights[number]
        for name, (schema, codec, record) in zip(objects, islice(cycle(made), objects.start, None), strict=False):
            stream, other = BytesIO(), ztf_name(str(name))
            fastavro.writer(stream, schema, [record | {"objectId": other}], codec=codec)
            yield other.encode(), stream.getvalue()


def rubin_night(record: Record, number: int) -> Record:
    """A packet so many nights later."""
    own = [later(record["diaSource"], n, "midpointMjdTai", "diaSourceId") for n in range(number + 1)]
    forced = list(record["prvDiaForcedSources"] or ())
    forced += [later(forced[-1], n, "midpointMjdTai", "diaForcedSourceId") for n in range(1, number + 1) if forced]
    earlier = [*(record["prvDiaSources"] or ()), *own[:-1]]
    changes = {"diaSource": own[-1], "prvDiaSources": earlier or None, "prvDiaForcedSources": forced or None}
    return record | changes | {name: own[-1]["diaSourceId"] for name in ("diaSourceId", "alertId") if name in record}


def ztf_night(record: Record, number: int) -> Record:
    """A packet so many nights later: each night a visit that finds nothing, a limit, and then the detection.

    As in real packets the forced photometry has every visit but the one of the packet itself: the limits' and, once
    they are past, the detections'.
    """
    own = [later(record["candidate"], n, "jd", "candid") for n in range(number + 1)]
    rows = record["prv_candidates"]
    limit = next(row for row in reversed(rows) if row["candid"] is None)
    unseen = [limit | {"jd": one["jd"] - BEFORE_DAYS, "pid": one["pid"] - 1} for one in own[1:]]
    found = [{name: one.get(name) for name in rows[0]} for one in own[:-1]]
    earlier = [row for night in zip(found, unseen, strict=True) for row in night]
    changes = {"candid": own[-1]["candid"], "candidate": own[-1], "prv_candidates": [*rows, *earlier]}
    if points := record.get("fp_hists"):
        visits = [{name: row[name] for name in ("jd", "fid", "pid")} for row in earlier]
        changes["fp_hists"] = [*points, *(points[n % len(points)] | visit for n, visit in enumerate(visits))]
    return record | changes


def later(row: Record, nights: int, time: str, name: str) -> Record:
    """A row so many nights later, under another number."""
    return row | {time: row[time] + nights * NIGHT_DAYS, name: row[name] + nights}
