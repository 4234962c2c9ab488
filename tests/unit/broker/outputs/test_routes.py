"""What routes publish: which alerts, in which framing, and the fields that their readers look for."""

import json
from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.config import Outputs as Topics
from broker.outputs.frames import SPREAD
from broker.outputs.messages import Outputs
from broker.outputs.shares import ELASTICC_IDS
from model.rates import factors
from model.runs import QUALITIES
from model.taxonomy import CLASS_IDS, CLASSES
from schemas.catalogue import load
from tests.support import readers
from tests.support.alerts import record
from tests.support.routed import DIGEST, READ_MS, SENT_MS, of_survey, outputs_with, read, records_of, verdicts_of
from tests.support.surveys import ADAPTERS, Packet, body_of, real_packets, rubin_record, rubin_sample, rubin_schema

NATIVE = [
    record(alertId=n, objectId=f"o{n}", history=[record(mjd=59_000.0 + n, band="g", detected=n % 2 == 0)] * n)
    for n in (1, 2, 3)
]
PAST = ("mjd", "band", "flux", "fluxErr", "detected")


def by_schema(survey):
    """Real packets of a survey, those of one writer's schema together."""
    found = {}
    for one in real_packets(survey):
        found.setdefault(json.dumps(fastavro.schema.to_parsing_canonical_form(one.schema)), []).append(one)
    for some in found.values():
        yield [one._replace(schema=some[0].schema) for one in some]


def route(content="classification", framing="container", where="", topic="t"):
    return {"topic": topic, "content": content, "framing": framing, "where": where}


def decoded_value(out, framing, schema):
    if framing == "container":
        return readers.container(out.value)
    if framing == "schema_in_key":
        return readers.schema_in_key(out.key, out.value)
    stream = BytesIO(out.value[5:] if framing == "wire" else out.value)
    found = fastavro.schemaless_reader(stream, schema, None)
    assert not stream.read()
    return found


@pytest.mark.parametrize("framing", ["wire", "container", "schemaless", "schema_in_key"])
def test_ours_says_the_same_in_every_framing(framing):
    found = records_of(outputs_with(route(framing=framing)), *read(NATIVE))
    assert len(found["t"]) == 3
    for ours, out in zip(found["misweeper.classifications"], found["t"], strict=True):
        assert decoded_value(out, framing, load("classification")) == decoded_value(
            ours, "wire", load("classification")
        )
        assert (out.value == ours.value) == (framing == "wire")
        assert out.headers == ours.headers[:3]
        if framing != "schema_in_key":
            assert out.key == ours.key


@pytest.mark.parametrize("framing", ["container", "schemaless", "schema_in_key"])
def test_elasticcs_record_has_what_its_schema_asks_for(framing):
    batch, decoded = read(NATIVE)
    batch.sent_ms[:] = decoded.alerts.sent_ms[:] = SENT_MS
    found = records_of(outputs_with(route("elasticc", framing)), batch, decoded)["t"]
    for alert, out, chances in zip(NATIVE, found, verdicts_of(3).probabilities, strict=True):
        got = decoded_value(out, framing, load("elasticc"))
        assert list(got) == [
            "alertId", "diaSourceId", "elasticcPublishTimestamp", "brokerIngestTimestamp", "brokerName",
            "brokerVersion", "classifierName", "classifierParams", "classifications",
        ]  # fmt: skip
        assert (got["alertId"], got["diaSourceId"]) == (alert["alertId"], alert["alertId"])
        sent, ingested = (got[name].timestamp() for name in ("elasticcPublishTimestamp", "brokerIngestTimestamp"))
        assert (round(1000 * sent), round(1000 * ingested)) == (SENT_MS, READ_MS)
        assert (got["brokerName"], got["brokerVersion"]) == ("misweeper", "0.1.0")
        assert (got["classifierName"], got["classifierParams"]) == ("default ffffffffffff", "priors=balanced")
        assert [c["classId"] for c in got["classifications"]] == list(ELASTICC_IDS)
        assert sum(c["probability"] for c in got["classifications"]) == 1
        assert np.allclose([c["probability"] for c in got["classifications"]], [*chances, 0], atol=1e-6)


@pytest.mark.parametrize("framing", ["container", "schema_in_key"])
def test_a_native_packet_is_passed_on_with_its_light_curve_for_skyportal(framing):
    for alert, out in zip(NATIVE, records_of(outputs_with(route("packet", framing)), *read(NATIVE))["t"], strict=True):
        got = decoded_value(out, framing, None)
        theirs = fastavro.schemaless_reader(BytesIO(body_of(load("observation"), alert)), load("observation"), None)
        assert {name: got[name] for name in theirs} == theirs
        seen = readers.skyportal(got, "lsst")
        assert (seen["object"], seen["candidate"]) == (alert["objectId"], alert["alertId"])
        assert seen["place"] == (alert["ra"], alert["dec"])
        rows = [{name: row[name] for name in PAST} for row in (*alert["history"], alert)]
        assert seen["points"] == {
            (not row["detected"], round(row["mjd"], 8), f"lsst{row['band']}"): pytest.approx(
                (row["flux"] * 1e-9, row["fluxErr"] * 1e-9), rel=1e-6
            )
            for row in rows
        }


@pytest.mark.parametrize("survey", ADAPTERS)
@pytest.mark.parametrize("framing", ["container", "schema_in_key"])
def test_real_packets_are_passed_on_byte_by_byte(survey, framing):
    for some in by_schema(survey):
        found = records_of(outputs_with(route("packet", framing)), *of_survey(survey, some))["t"]
        assert len(found) == len(some)
        for one, out in zip(some, found, strict=True):
            assert one.body in out.value
            got = decoded_value(out, framing, None)
            assert {name: repr(got[name]) for name in one.record} == {n: repr(v) for n, v in one.record.items()}
            said = [got[name] for name in ("brokerName", "classifierName", "classifierVersion", "priors")]
            assert said == ["misweeper", "default", DIGEST, "balanced"]
            assert got["quality"] in QUALITIES
            assert sum(c["probability"] for c in got["classifications"]) == 1
            seen = readers.skyportal(got, survey)
            assert seen["object"]
            assert seen["place"][0] >= 0


def test_fastdb_reads_rubins_packets_and_skyportal_their_light_curves():
    for some in by_schema("rubin"):
        batch, decoded = of_survey("rubin", some)
        for i, (one, out) in enumerate(
            zip(some, records_of(outputs_with(route("packet")), batch, decoded)["t"], strict=True)
        ):
            got = readers.container(out.value)
            kept = readers.fastdb(got)
            assert kept["object"] == one.record["diaSource"]["diaObjectId"]
            assert kept["broker"]["brokerName"] == "misweeper"
            assert len(kept["previous"]) == len(one.record["prvDiaSources"] or [])
            seen = readers.skyportal(got, "lsst")
            source = one.record["diaSource"]
            assert seen["object"] == str(source["diaObjectId"])
            assert seen["candidate"] == source["diaSourceId"]
            assert seen["place"] == (source["ra"], source["dec"])
            rows = decoded.alerts.rows[decoded.alerts.starts[i] : decoded.alerts.ends[i]]
            assert len(got["prv_candidates"]) == rows["detected"].sum()
            assert len(got["fp_hists"]) == (~rows["detected"]).sum()
            now = (False, round(source["midpointMjdTai"], 8), f"lsst{source['band']}")
            assert seen["points"][now][0] == pytest.approx(source["psfFlux"] * 1e-9)


def test_a_packet_whose_source_names_no_object_is_not_changed_and_a_condition_keeps_it_from_fastdb():
    schema = rubin_schema(11, 1)
    record = rubin_record((11, 1), {"ssObjectId": 4242, "diaObjectId": None})
    moving = of_survey("rubin", [Packet("moving", schema, body_of(schema, record), record)])
    outputs = outputs_with(route("packet"), route("packet", topic="fastdb", where="observations >= 1"))
    found = records_of(outputs, *moving)
    assert "fastdb" not in found
    got = readers.container(found["t"][0].value)
    assert got["diaSource"]["diaObjectId"] is None
    with pytest.raises(TypeError):
        readers.fastdb(got)


def test_ztfs_packets_keep_their_own_object_candidate_and_history():
    for some in by_schema("ztf"):
        for one, out in zip(some, records_of(outputs_with(route("packet")), *of_survey("ztf", some))["t"], strict=True):
            got = readers.container(out.value)
            for name in ("objectId", "candid", "candidate", "prv_candidates"):
                assert repr(got[name]) == repr(one.record[name])  # NaN among them
            assert got["prv_nondetections"] == []
            assert repr(got["fp_hists"]) == repr(one.record.get("fp_hists", []))


def test_an_elasticc_alert_is_answered_by_its_own_numbers():
    (some,) = by_schema("elasticc")
    found = records_of(outputs_with(route("elasticc", "schemaless")), *of_survey("elasticc", some))["t"]
    for one, out in zip(some, found, strict=True):
        got = decoded_value(out, "schemaless", load("elasticc"))
        assert got["alertId"] == one.record["alertId"]
        assert got["diaSourceId"] == one.record["diaSource"]["diaSourceId"]


def test_a_declined_alert_is_said_to_be_not_classified():
    schema, sample = rubin_schema(11, 1), rubin_sample(11, 1)
    sample["diaSource"] |= {"ssObjectId": 4242, "diaObjectId": 0}
    packet = real_packets("rubin")[0]._replace(schema=schema, record=sample, body=body_of(schema, sample))
    outputs = outputs_with(
        route("packet", topic="p"),
        route("elasticc", "schemaless", topic="e"),
        route(topic="c"),
        route("packet", topic="some", where="probability > 0.5"),
    )
    found = records_of(outputs, *of_survey("rubin", [packet]))
    assert set(found) == {"p", "e", "misweeper.dead-letters"}, "what has no class meets no condition"
    (out,), (record,), (letter,) = found["p"], found["e"], found["misweeper.dead-letters"]
    got = readers.container(out.value)
    assert got["classifications"] == [{"classId": 300, "probability": 1.0}]
    assert (got["objectId"], got["candid"]) == ("4242", sample["diaSourceId"])
    assert got["candidate"]["ra"] == sample["diaSource"]["ra"]
    assert (got["prv_candidates"], got["candidate"]["band"]) == ([], "")
    said = decoded_value(record, "schemaless", load("elasticc"))
    assert (said["alertId"], said["classifications"]) == (sample["diaSourceId"], got["classifications"])
    fate = fastavro.schemaless_reader(BytesIO(letter.value[5:]), load("dead_letter"), None)
    assert (fate["fate"], fate["reason"], fate["sourceOffset"]) == ("declined", "declined", 40)
    assert letter.headers[:3] == out.headers == record.headers


def test_a_route_takes_what_meets_its_condition_and_nothing_else():
    batch, decoded = read([record(alertId=n, objectId=f"o{n}") for n in range(1, 301)])
    said = verdicts_of(300)
    best = said.probabilities.argmax(axis=1)
    name = CLASSES[best[0]].name
    outputs = outputs_with(
        route(topic="best", where=f"class == {name} and observations >= 5"),
        route(topic="odd", where="anomaly and probability < 0.5", content="packet"),
        route(topic="none", where="survey == ztf"),
    )
    found = records_of(outputs, batch, decoded)
    wanted = np.flatnonzero((best == best[0]) & (np.arange(1, 301) >= 5)).tolist()
    assert wanted
    assert [int(dict(r.headers)["source_offset"]) for r in found["best"]] == wanted
    for out in found["best"]:
        chances = {c["classId"]: c["probability"] for c in readers.container(out.value)["classifications"]}
        assert max(chances, key=chances.get) == CLASS_IDS[best[0]]
    wanted = np.flatnonzero(said.anomalies & (said.probabilities.max(axis=1) < 0.5)).tolist()
    assert [readers.container(r.value)["candid"] - 1 for r in found["odd"]] == wanted
    assert "none" not in found


def test_a_route_can_ask_for_answers_that_rest_on_enough():
    batch, decoded = read([record(alertId=n, objectId=f"o{n}") for n in range(1, 101)])
    qualities = verdicts_of(100).qualities
    outputs = outputs_with(route(topic="sure", where="quality == enough"), route("packet", topic="all"))
    found = records_of(outputs, batch, decoded)
    wanted = np.flatnonzero(qualities == 0).tolist()
    assert 0 < len(wanted) < 100
    assert [int(dict(r.headers)["source_offset"]) for r in found["sure"]] == wanted
    assert {readers.container(r.value)["quality"] for r in found["sure"]} == {"enough"}
    said = [readers.container(r.value)["quality"] for r in found["all"]]
    assert said == [QUALITIES[i] for i in qualities.tolist()]


def test_elasticcs_record_and_the_packet_name_the_priors_of_each_alert():
    rates = factors(np.full(14, 1 / 14))
    outputs = Outputs(Topics(routes=[route("elasticc", topic="e"), route("packet", topic="p")]), "d", DIGEST,
                      "natural", "0", rates)  # fmt: skip
    found = records_of(outputs, *read([record(survey="ztf"), record(survey="other")]))
    assert [readers.container(r.value)["classifierParams"] for r in found["e"]] == [
        "priors=published",
        "priors=natural",
    ]
    assert [readers.container(r.value)["priors"] for r in found["p"]] == ["published", "natural"]


def test_without_routes_nothing_is_added_to_a_message():
    found = records_of(outputs_with(), *read(NATIVE))
    assert {len(r.headers) for records in found.values() for r in records} == {3}
    assert set(found) <= {"misweeper.classifications", "misweeper.anomalies"}


def test_a_packet_that_another_broker_has_answered_keeps_that_answer_under_another_name():
    (once,) = records_of(outputs_with(route("packet")), *read(NATIVE[:1]))["t"]
    reader = fastavro.reader(BytesIO(once.value))
    schema, (first,) = reader.writer_schema, list(reader)
    batch, decoded = read(NATIVE[:1])
    decoded.packets.schemas[0] = schema
    decoded.packets.bodies[0] = body_of(schema, first)
    (twice,) = records_of(outputs_with(route("packet")), batch, decoded, seed=2)["t"]
    got = readers.container(twice.value)
    assert got["source_classifications"] == first["classifications"]
    assert got["source_classifierName"] == "default"
    assert got["classifications"] != first["classifications"]
    for name in ("objectId", "candid", "candidate", "prv_candidates", "fp_hists", "prv_nondetections", "history"):
        assert got[name] == first[name]
    assert len(fastavro.reader(BytesIO(twice.value)).writer_schema["fields"]) == len(schema["fields"]) + 6


def test_messages_with_their_schema_in_the_key_are_spread_and_an_objects_stay_together():
    batch, decoded = read([record(alertId=n, objectId=f"o{n % 50}") for n in range(1, 201)])
    found = records_of(outputs_with(route("packet", "schema_in_key")), batch, decoded)["t"]
    keys = {}
    for out in found:
        keys.setdefault(readers.schema_in_key(out.key, out.value)["objectId"], set()).add(out.key)
    assert all(len(own) == 1 for own in keys.values())
    assert SPREAD // 2 < len(set().union(*keys.values())) <= SPREAD
    assert len({key.strip() for own in keys.values() for key in own}) == 1
