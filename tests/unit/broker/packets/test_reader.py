"""A batch's messages become alerts and poisons: each message one of them, whatever its neighbours are."""

import json
from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.errors import Reason
from broker.packets.reader import AlertReader, together
from model.alerts import Alerts
from schemas.catalogue import load
from tests.support.alerts import FRAMINGS, alerts_of, container, record, schemaless, wire
from tests.support.columns import alert_at
from tests.support.reading import batch, message

LIMIT = 100_000
READ = AlertReader(LIMIT)
EARLIER = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}

BAD = {
    "empty": (None, Reason.EMPTY),
    "no avro": (wire(record())[:40], Reason.NOT_AVRO),
    "large": (b"\x07" * (LIMIT + 1), Reason.TOO_LARGE),
    "unknown": (b"\x00\x00\x00\x03\xe8" + schemaless(record()), Reason.UNKNOWN_SCHEMA),
    "invalid": (wire(record(flux=float("nan"))), Reason.INVALID_FIELD),
}


def said(alerts: Alerts) -> list:
    return [alert_at(alerts, i) for i in range(len(alerts))]


def test_alerts_come_in_the_order_of_their_messages_with_poison_between_them():
    frames = list(FRAMINGS.values())
    values, good = [], []
    for i, (bad, _) in enumerate([*BAD.values(), *BAD.values()]):
        good.append(len(values))
        history = [EARLIER | {"mjd": 59000.0 + k} for k in range(i % 4)]
        values += [frames[i % len(frames)](record(alertId=i + 1, history=history)), bad]
    decoded = READ(batch(*values))
    alerts, poisons = decoded.alerts, decoded.poisons
    assert alerts.message.tolist() == good
    assert alerts.alert_ids.tolist() == list(range(1, 11))
    assert np.diff(alerts.ends, prepend=0).tolist() == [1 + i % 4 for i in range(10)]
    assert {i: poison.reason for i, poison in poisons.items()} == {
        i + 1: reason for i, (_, reason) in zip(good, [*BAD.values(), *BAD.values()], strict=True)
    }


def test_the_packets_of_alerts_are_kept_as_they_came_and_those_of_poisons_are_not():
    values, bodies = [], []
    for i, (bad, _) in enumerate(BAD.values()):
        sent = record(alertId=i + 1)
        values += [[wire, container, schemaless][i % 3](sent), bad]
        bodies += [schemaless(sent), b""]
    packets = READ(batch(*values)).packets
    assert packets.bodies == bodies
    assert [w >= 0 for w in packets.which.tolist()] == [True, False] * len(BAD)
    assert all(packets.schemas[w]["name"] == "misweeper.Observation" for w in packets.which[::2].tolist())


@pytest.mark.parametrize("name", BAD)
def test_the_company_of_a_message_changes_nothing(name):
    value, reason = BAD[name]
    alone = READ(batch(wire(record()))).alerts
    for company in ([value], [value, value], [schemaless(record(alertId=9)), value]):
        decoded = READ(batch(*company, wire(record()), *company))
        alerts, poisons = decoded.alerts, decoded.poisons
        assert said(alerts)[len(alerts) // 2] == said(alone)[0]
        assert {poison.reason for poison in poisons.values()} == {reason}


def test_nothing_is_read_of_nothing():
    for values in ([], [None, b""]):
        decoded = READ(batch(*values))
        alerts, poisons = decoded.alerts, decoded.poisons
        assert (len(alerts), len(alerts.rows), alerts.ends.tolist(), len(alerts.contexts)) == (0, 0, [], 0)
        assert len(poisons) == len(values)


def survey_of(value: bytes | None) -> str | None:
    return READ.survey_of(message(value))


def test_the_survey_of_a_message_is_told_where_its_bytes_can_be_read():
    assert survey_of(wire(record(survey="ztf"))) == "ztf"
    assert survey_of(wire(record(flux=float("nan")))) == "plasticc", "what is wrong with it does not matter"
    assert [survey_of(value) for value in (None, b"", b"\x00\x00\x00\x03\xe8x")] == [None] * 3


def test_a_writer_who_names_no_known_fields_is_unknown():
    schema = json.loads(json.dumps({k: v for k, v in load("observation").items() if not k.startswith("__")}))
    schema["name"] = "Stranger"
    stream = BytesIO()
    fastavro.writer(stream, schema, [record()])
    poisons = READ(batch(stream.getvalue())).poisons
    assert poisons[0].reason is Reason.UNKNOWN_SCHEMA


def test_parts_of_several_schemas_become_one_batch_in_the_order_of_messages():
    records = [record(alertId=i + 1, objectId=str(i), history=[EARLIER] * (i % 3)) for i in range(7)]
    whole = alerts_of(records)
    parts = []
    for which in ([1, 4, 6], [0, 2], [3, 5]):
        part = alerts_of([records[i] for i in which])
        part.message[:] = which
        parts.append(part)
    merged = together(parts)
    assert merged.message.tolist() == list(range(7))
    assert said(merged) == said(whole)
    assert merged.sent_ms.tolist() == whole.sent_ms.tolist()


def test_what_fastavro_has_to_read_is_counted_by_survey_and_gives_the_same_alerts():
    union = ["null", "int", "string", "bytes", "boolean", "double", "float", "long"]
    schema = {key: value for key, value in load("observation").items() if not key.startswith("__")}
    wide = [{"name": f"w{i}", "type": union} for i in range(1200)]
    more = fastavro.parse_schema(schema | {"fields": [*schema["fields"], *wide]})
    slow = container(record() | {field["name"]: None for field in wide}, schema=more)
    told = []
    read = AlertReader(1_000_000, fell_back=lambda *what: told.append(what))
    assert said(read(batch(slow, wire(record()), slow)).alerts) == said(READ(batch(*[wire(record())] * 3)).alerts)
    assert told == [("native", 2)]
