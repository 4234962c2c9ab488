"""Surveys' packets for tests: real ones, which lie beside the repository, and Rubin's schemas, which a package has."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import fastavro
import lsst.alert.packet
import numpy as np

from broker.packets.projection import compile_projection
from broker.surveys import elasticc, rubin, ztf
from broker.surveys.adapted import Adapted
from tests.support.alerts import packets
from tests.support.columns import Alert, alert_at

ADAPTERS: dict[str, ModuleType] = {"rubin": rubin, "ztf": ztf, "elasticc": elasticc}
RUBIN_VERSIONS = [(7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (8, 0), (9, 0), (10, 0), (11, 0), (11, 1)]
RUBIN_SCHEMAS = Path(lsst.alert.packet.__file__).parent / "schema"
MOST_ROWS = 10_000


class Packet(NamedTuple):
    """A packet, and what fastavro reads of it."""

    name: str
    schema: Any
    body: bytes
    record: dict[str, Any]


def rubin_schema(major: int, minor: int) -> Any:
    """The writer's schema of a version."""
    folder = RUBIN_SCHEMAS / str(major) / str(minor)
    return fastavro.schema.load_schema(folder / f"lsst.v{major}_{minor}.alert.avsc")


def rubin_sample(major: int, minor: int) -> dict[str, Any]:
    """The record of a version's made-up alert."""
    with (RUBIN_SCHEMAS / str(major) / str(minor) / "sample_data" / "fakeAlert.avro").open("rb") as file:
        (record,) = fastavro.reader(file)
    return record


def body_of(schema: Any, record: dict[str, Any]) -> bytes:
    """A record's bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()


def real_packets(survey: str) -> list[Packet]:
    """All of a survey; a container of several gives several."""
    found = []
    for path in packets(survey):
        value = path.read_bytes()
        if survey == "rubin":
            schema = rubin_schema(*divmod(int.from_bytes(value[1:5], "big"), 100))
            record = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
            found.append(Packet(path.stem, schema, value[5:], record))
            continue
        reader = fastavro.reader(BytesIO(value))
        schema = reader.writer_schema
        for i, record in enumerate(reader):
            found.append(Packet(f"{path.stem}[{i}]", schema, body_of(schema, record), record))
    return found


def adapt(survey: str, schema: Any, bodies: Sequence[bytes], sent_ms: int = 0) -> Adapted:
    """The fates of some packets, the messages of which are numbered from 0 on."""
    adapter = ADAPTERS[survey]
    columns, errors = compile_projection(schema, adapter.FIELDS).read(bodies, MOST_ROWS)
    assert not errors
    adapted: Adapted = adapter.alerts(columns, columns.which, np.full(len(bodies), sent_ms))
    assert sorted([*adapted.alerts.message, *adapted.declined, *adapted.poisons]) == list(range(len(bodies))), (
        "one fate each"
    )
    return adapted


def alert_of(survey: str, schema: Any, record: dict[str, Any], sent_ms: int = 0) -> Alert:
    """The alert of one record. Raises PoisonMessage."""
    adapted = adapt(survey, schema, [body_of(schema, record)], sent_ms)
    for poison in adapted.poisons.values():
        raise poison
    return alert_at(adapted.alerts, 0)
