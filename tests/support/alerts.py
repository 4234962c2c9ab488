"""Native alerts for tests: records, and their bytes in every framing."""

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import fastavro
import pytest

from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from model.alerts import Alerts
from schemas.catalogue import load

PACKETS = Path(__file__).resolve().parents[3] / "shared" / "packets"


def record(**changes) -> dict:
    """A good native alert, but for the changes."""
    return {
        "alertId": 7,
        "objectId": "615",
        "survey": "plasticc",
        "mjd": 59750.4229,
        "band": "r",
        "flux": -19780.75,
        "fluxErr": 131.5,
        "detected": True,
        "ra": 349.0461,
        "dec": -61.9438,
        "ddf": True,
        "hostgalPhotoz": 0.0,
        "hostgalPhotozErr": 0.0,
        "mwebv": 0.017,
        "history": [],
    } | changes


def wire(alert: dict) -> bytes:
    """Confluent's wire framing."""
    return encode(alert, "observation")


def schemaless(alert: dict) -> bytes:
    """The body alone."""
    return wire(alert)[5:]


def batch_of(records: Iterable[dict], topic: str = "alerts", partition: int = 0, first: int = 0) -> Batch:
    """Records as messages of a partition, from an offset on."""
    values = enumerate(map(wire, records), first)
    return Batch.of([Message(topic, partition, offset, 0, None, value) for offset, value in values])


def alerts_of(records: Iterable[dict]) -> Alerts:
    """Records as the service reads them."""
    decoded = AlertReader(1_000_000)(batch_of(records))
    assert not decoded.poisons
    return decoded.alerts


def container(alert: dict, codec: str = "null", schema: dict | None = None, copies: int = 1) -> bytes:
    """An object container file."""
    stream = BytesIO()
    fastavro.writer(stream, schema or load("observation"), [alert] * copies, codec=codec)
    return stream.getvalue()


FRAMINGS = {
    "wire": wire,
    "schemaless": schemaless,
    "container": container,
    "deflate": lambda alert: container(alert, "deflate"),
    "snappy": lambda alert: container(alert, "snappy"),
}


def packets(folder: str) -> list[Path]:
    """Real packets of a survey, which lie beside the repository; where they do not, CI fails and a laptop skips."""
    found = sorted((PACKETS / folder).glob("*.avro"))
    if not found and "CI" not in os.environ:
        pytest.skip(f"no packets in {PACKETS / folder}")
    assert found, f"no packets in {PACKETS / folder}; they belong beside the repository"
    return found
