"""Every real packet as the message that it is in its stream: an alert, or a dead letter with the right reason."""

import json
import sys
from io import BytesIO

import fastavro
import pytest
from numba.core.dispatcher import Dispatcher

from broker.config import Settings
from broker.errors import PoisonMessage, Reason
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from tests.support.alerts import packets, record, wire
from tests.support.columns import Alert, alert_at, read_alert
from tests.support.hostile import CODECS, container
from tests.support.surveys import RUBIN_VERSIONS, adapt, body_of, real_packets, rubin_sample, rubin_schema, timed

EARLIER = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}
TOPICS = {"rubin": "lsst-alerts-v11", "ztf": "ztf_20261123_programid1", "elasticc": "elasticc-1"}
READ = AlertReader(4 * 1024 * 1024, formats_of(Settings()))


def compiled() -> dict[str, int]:
    """How many versions of each compiled function of these rooms there are."""
    named = {
        name: module for name, module in sys.modules.items() if name.startswith(("broker.packets", "broker.surveys"))
    }
    found = {f"{name}.{key}": one for name, module in named.items() for key, one in vars(module).items()}
    return {name: len(one.signatures) for name, one in found.items() if isinstance(one, Dispatcher)}


def message(survey: str, value: bytes, offset: int = 0) -> Message:
    return Message(TOPICS[survey], 0, offset, 0, None, value)


def contained(schema: dict, *records: dict) -> bytes:
    stream = BytesIO()
    fastavro.writer(stream, schema, records)
    return stream.getvalue()


def wired(major: int, minor: int, record: dict, schema: dict | None = None) -> bytes:
    body = body_of(schema or rubin_schema(major, minor), record)
    return b"\x00" + (100 * major + minor).to_bytes(4, "big") + body


def poison_of(survey: str, value: bytes) -> PoisonMessage:
    with pytest.raises(PoisonMessage) as caught:
        read_alert(message(survey, value), READ)
    return caught.value


def said(alert: Alert) -> str:
    """An alert as two can be compared: NaN is NaN."""
    return repr(alert)


def meant(survey: str, schema: dict, body: bytes) -> str:
    """What the adapter makes of a packet alone."""
    return said(alert_at(adapt(survey, schema, [body]).alerts, 0))


@pytest.mark.parametrize("survey", TOPICS)
def test_every_real_packet_becomes_the_alert_that_its_adapter_makes_of_it(survey):
    """As it lies there; ELAsTiCC's three are in one file, of which a stream has a message each."""
    read = real_packets(survey)
    if survey == "elasticc":
        values = [contained(packet.schema, packet.record) for packet in read]
    else:
        values = [path.read_bytes() for path in packets(survey)]
    decoded = READ(Batch.of([message(survey, value, offset) for offset, value in enumerate(values)]))
    assert decoded.poisons == {}
    assert decoded.alerts.message.tolist() == list(range(len(read)))
    for i, packet in enumerate(read):
        assert said(alert_at(decoded.alerts, i)) == meant(survey, packet.schema, packet.body), packet.name
        assert decoded.packets.bodies[i] == packet.body
        assert decoded.packets.schemas[decoded.packets.which[i]]["name"] == packet.schema["name"]


def test_elasticcs_packets_that_were_sent_years_before_the_times_of_their_simulation_are_read():
    sent_ms, day_ms = 1_662_595_200_000, 86_400_000  # 2022-09-08, in the challenge
    read = real_packets("elasticc")
    values = [contained(packet.schema, packet.record) for packet in read]
    batch = Batch.of([Message("elasticc-1", 0, i, sent_ms, None, value) for i, value in enumerate(values)])
    decoded = READ(batch)
    assert decoded.poisons == {}
    assert (decoded.alerts.rows["mjd_tai"] > 40_587 + sent_ms / day_ms + 365).any()
    for i, packet in enumerate(read):
        assert said(alert_at(decoded.alerts, i)) == meant("elasticc", packet.schema, packet.body), packet.name


def spark(schema: dict, **renamed: str) -> dict:
    """A survey's schema as Spark writes it again: its own name for the record, `[type, null]`, and items that may be
    null; with other names for some fields."""

    def nullable(kind: object) -> object:
        if isinstance(kind, list):
            return [*(one for one in map(bare, kind) if one != "null"), "null"]
        return [bare(kind), "null"]

    def bare(kind: object) -> object:
        if isinstance(kind, str):
            return kind.replace("ztf.alert", "topLevelRecord").replace("lsst.v11_1", "topLevelRecord")
        kind = {key: part for key, part in kind.items() if key not in ("namespace", "logicalType", "doc")}
        if "items" in kind:
            return kind | {"items": nullable(kind["items"])}
        if "fields" in kind:
            fields = [
                {"name": renamed.get(one["name"], one["name"]), "type": nullable(one["type"])} for one in kind["fields"]
            ]
            return kind | {"name": bare(kind["name"]), "fields": fields}
        return kind

    return bare(schema) | {"name": "topLevelRecord"}


@pytest.mark.parametrize("survey", ["rubin", "ztf"])
def test_packets_that_fink_passes_on_under_sparks_name_for_any_record_are_their_surveys(survey):
    """Fink sends the body bare, and its schema in the key."""
    for packet in real_packets(survey) if survey == "ztf" else real_packets(survey)[-1:]:
        schema = spark(packet.schema)
        key = json.dumps(schema).encode()
        body = body_of(fastavro.parse_schema(json.loads(key)), packet.record)
        decoded = READ(Batch.of([Message("fink_ztf_sn_candidates", 0, 0, 0, key, body)]))
        assert decoded.poisons == {}
        assert said(alert_at(decoded.alerts, 0)) == meant(survey, packet.schema, packet.body), packet.name
        assert list(decoded.packets.surveys) == [survey]


def test_a_record_under_sparks_name_that_is_no_surveys_says_what_each_would_need():
    packet = real_packets("ztf")[0]
    key = json.dumps(spark(packet.schema, magpsf="magnitude")).encode()
    with pytest.raises(PoisonMessage) as caught:
        read_alert(Message("fink", 0, 0, 0, key, packet.body), READ)
    assert caught.value.reason is Reason.UNKNOWN_SCHEMA
    assert "says nothing of its survey, and has the fields of none read here (native: " in caught.value.detail
    assert "; ztf: the writer's schema has no field candidate.magpsf (magpsf); " in caught.value.detail


@pytest.mark.parametrize("codec", CODECS)
def test_a_container_is_read_whatever_its_codec(codec):
    for survey in ("ztf", "elasticc"):
        packet = real_packets(survey)[0]
        schema = json.dumps(packet.schema, default=str).encode()
        value = container(CODECS[codec](packet.body), codec, schema=schema)
        assert said(read_alert(message(survey, value), READ)) == meant(survey, packet.schema, packet.body)


def test_several_alerts_in_one_message_are_refused_and_said_to_be_several():
    (path,) = packets("elasticc")
    poison = poison_of("elasticc", path.read_bytes())
    assert poison.reason is Reason.NOT_AVRO
    assert poison.detail == (
        "one alert a message, but the container has 3: misweeper replay sends each of a file's by itself"
    )


NEGATIVE = {
    "winter_3608694": (Reason.UNKNOWN_SCHEMA, "no survey read here has packets of the schema winter.alert"),
    "ztf_bad_sync_516401801315010009": (Reason.NOT_AVRO, "the container ends within a sync marker"),
    "ztf_index_error_516434762915010006": (Reason.NOT_AVRO, "the container ends within a sync marker"),
    "ztf_schema_mismatch_121540793515135009": (Reason.NOT_AVRO, "the container ends within a sync marker"),
}


def test_the_packets_that_must_not_be_read_are_dead_letters_that_say_why():
    """ZTF's three lack a byte somewhere in the middle: their last marker ends one short."""
    found = {path.stem: poison_of("ztf", path.read_bytes()) for path in packets("negative")}
    assert {name: (poison.reason, poison.detail) for name, poison in found.items()} == NEGATIVE


def test_the_made_up_alert_of_each_version_of_rubins_reads_by_its_id_side_by_side_and_as_a_container():
    wire = [wired(*version, timed(rubin_sample(*version))) for version in RUBIN_VERSIONS]
    boxed = [contained(rubin_schema(*version), timed(rubin_sample(*version))) for version in RUBIN_VERSIONS]
    messages = [message("rubin", value, i) for i, value in enumerate([*wire, *boxed])]
    decoded = READ(Batch.of(messages))
    assert decoded.poisons == {}
    assert [*decoded.alerts.message.tolist(), *decoded.declined.tolist()] == list(range(len(messages)))
    n = len(RUBIN_VERSIONS)
    told = [said(alert_at(decoded.alerts, i)) for i in range(len(decoded.alerts))]
    assert told[:n] == told[n:]
    assert len(told) == 2 * n


def versioned(schema: dict, old: str, new: str) -> dict:
    """A schema under another version's name."""
    plain = {key: value for key, value in schema.items() if not key.startswith("__")}
    return fastavro.parse_schema(json.loads(json.dumps(plain).replace(old, new)))


def test_a_new_minor_version_with_fields_more_needs_no_change():
    schema = versioned(rubin_schema(11, 1), "v11_1", "v11_2")
    schema["fields"].insert(1, {"name": "newcomer", "type": ["null", "string"], "default": None})
    for field in schema["fields"]:
        if field["name"] == "diaSource":
            field["type"]["fields"].insert(3, {"name": "shape", "type": {"type": "array", "items": "double"}})
    sample = rubin_sample(11, 1)
    sample["diaSource"]["shape"] = [1.0, 2.0]
    for source in sample["prvDiaSources"] or ():
        source["shape"] = []
    schema = fastavro.parse_schema({k: v for k, v in schema.items() if not k.startswith("__")}, _force=True)
    new = read_alert(message("rubin", contained(schema, sample | {"newcomer": "x"})), READ)
    assert said(new) == said(read_alert(message("rubin", wired(11, 1, rubin_sample(11, 1))), READ))


def test_a_new_major_version_with_another_name_for_the_flux_is_a_dead_letter_that_names_it():
    plain = {key: value for key, value in rubin_schema(11, 1).items() if not key.startswith("__")}
    text = json.dumps(plain).replace("v11_1", "v12_0").replace('"psfFlux"', '"pointFlux"')
    sample = json.loads(json.dumps(rubin_sample(11, 1), default=lambda _: None).replace('"psfFlux"', '"pointFlux"'))
    poison = poison_of("rubin", contained(fastavro.parse_schema(json.loads(text)), sample))
    assert poison.reason is Reason.UNKNOWN_SCHEMA
    assert "has no field" in poison.detail
    assert "psfFlux" in poison.detail


def test_a_version_that_nobody_has_says_what_to_do():
    poison = poison_of(
        "rubin", wired(11, 1, rubin_sample(11, 1)).replace((1101).to_bytes(4, "big"), (1102).to_bytes(4, "big"), 1)
    )
    assert poison.reason is Reason.UNKNOWN_SCHEMA
    assert poison.detail.startswith("schema id 1102 is not known to the package lsst-alert-packet; add it there")


def test_no_survey_needs_anything_compiled_that_our_own_alerts_do_not():
    """What the rehearsal compiles before a worker is ready is enough for all of them."""
    AlertReader(10**6)(Batch.of([message("ztf", wire(record(history=[EARLIER])))]))
    before = compiled()
    values = [
        *(message("rubin", path.read_bytes()) for path in packets("rubin")),
        *(message("ztf", path.read_bytes()) for path in packets("ztf")),
        *(message("elasticc", contained(packet.schema, packet.record)) for packet in real_packets("elasticc")),
    ]
    assert AlertReader(4 * 1024 * 1024, formats_of(Settings()))(Batch.of(values)).poisons == {}
    assert compiled() == before
    assert sum(before.values()) > 0
