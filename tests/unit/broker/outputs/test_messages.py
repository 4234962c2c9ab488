from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.kafka.topics import LARGEST_LETTER
from broker.outputs.messages import LARGEST_ENVELOPE, LARGEST_VALUE, SMALLEST, Outputs
from model.observation import Observation
from model.runs import Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import confluent_id, load
from tests.support.columns import Alert, Arrival, alerts_of, batch_of

MESSAGE = Message("alerts", 3, 41, 1_700_000_000_000, b"615", b"bytes", (("producer_timestamp", b"17"), ("none", None)))
ALERT = Alert(7, "615", "plasticc", Observation(59750.5, 1.0, 2.0, 3, True), ra_deg=10.0)


@pytest.fixture
def outputs():
    return Outputs(Topics(), "default", "f" * 64, "balanced", "0.1.0")


def verdicts(anomaly=False):
    p = np.random.default_rng(7).dirichlet(np.ones(14)).astype(np.float32)
    return Verdicts(p[None], np.array([0.2], np.float32), np.array([4.5], np.float32), np.array([anomaly]))


def classified(outputs, said):
    arrivals = [Arrival(MESSAGE, ALERT)]
    return outputs.classifications(batch_of(arrivals), alerts_of(arrivals), said, np.array([5]), 10, 20)


def decode(value, name):
    assert value[:5] == b"\x00" + confluent_id(name, 1).to_bytes(4, "big")
    stream = BytesIO(value[5:])
    record = fastavro.schemaless_reader(stream, load(name), None)
    assert not stream.read()
    return record


def test_a_classification_says_what_the_verdict_says(outputs):
    said = verdicts()
    (out,) = classified(outputs, said)
    assert out.topic == "misweeper.classifications"
    assert out.key == b"plasticc/615"
    assert out.headers == [("source_topic", b"alerts"), ("source_partition", b"3"), ("source_offset", b"41")]
    got = decode(out.value, "classification")
    assert [c["classId"] for c in got["classifications"]] == list(CLASS_IDS)
    found = np.array([c["probability"] for c in got["classifications"]], np.float32)
    assert found.tolist() == said.probabilities[0].tolist()
    assert (got["alertId"], got["observations"], got["ra"], got["dec"]) == (7, 5, 10.0, None)
    assert (got["priors"], got["classifierVersion"]) == ("balanced", "f" * 64)


def test_an_anomaly_is_on_its_topic_too(outputs):
    first, second = classified(outputs, verdicts(anomaly=True))
    assert second.topic == "misweeper.anomalies"
    assert second.value == first.value


def test_a_dead_letter_keeps_the_bytes_the_key_and_the_headers(outputs):
    out = outputs.dead_letter(MESSAGE, PoisonMessage(Reason.NOT_AVRO, "d" * 10_000), 99)
    got = decode(out.value, "dead_letter")
    assert (got["fate"], got["reason"], got["value"], got["key"]) == ("dead_letter", "not_avro", b"bytes", b"615")
    assert (got["sourceTopic"], got["sourcePartition"], got["sourceOffset"]) == ("alerts", 3, 41)
    assert got["headers"] == [{"key": "producer_timestamp", "value": b"17"}, {"key": "none", "value": None}]
    assert got["valueSize"] == 5
    assert len(got["detail"]) == 500


def test_a_dead_letter_is_never_larger_than_its_topic_allows(outputs):
    message = MESSAGE._replace(value=bytes(LARGEST_VALUE + 7), headers=(("h", bytes(LARGEST_ENVELOPE)),))
    out = outputs.dead_letter(message, PoisonMessage(Reason.TOO_LARGE, "d" * 500), 99)
    got = decode(out.value, "dead_letter")
    assert (len(got["value"]), got["valueSize"]) == (LARGEST_VALUE, LARGEST_VALUE + 7)
    assert (got["key"], got["headers"], out.key) == (None, [], None)
    assert got["detail"].startswith("without its key and headers, which have 1048580 bytes: ddd")
    assert len(got["detail"]) == 500
    assert len(out.value) < LARGEST_LETTER - LARGEST_ENVELOPE


@pytest.mark.parametrize("message", [MESSAGE._replace(value=None), MESSAGE._replace(value=b"", key=None, headers=())])
def test_a_message_without_bytes(outputs, message):
    got = decode(outputs.dead_letter(message, PoisonMessage(Reason.EMPTY, "none"), 99).value, "dead_letter")
    assert (got["value"], got["valueSize"], got["key"]) == (message.value, 0, message.key)


def test_a_message_without_a_timestamp(outputs):
    got = decode(outputs.duplicate(MESSAGE._replace(timestamp_ms=-1), 99).value, "dead_letter")
    assert got["sourceTimestamp"].year == 1970


def test_a_duplicate_is_a_compact_record(outputs):
    got = decode(outputs.duplicate(MESSAGE, 99).value, "dead_letter")
    assert (got["fate"], got["value"]) == ("duplicate", None)


def test_letters_shrink_to_what_any_topic_takes(outputs):
    sizes = []
    while outputs.shrink():
        sizes.append((outputs.largest_value, outputs.largest_envelope))
    assert sizes[-1] == (SMALLEST, SMALLEST)
    assert len(sizes) < 10
    message = Message("alerts", 0, 1, 0, key=b"k" * 50_000, value=b"v" * 50_000)
    letter = decode(outputs.dead_letter(message, PoisonMessage(Reason.NOT_AVRO, "no"), 5).value, "dead_letter")
    assert (letter["value"], letter["valueSize"], letter["key"]) == (b"v" * SMALLEST, 50_000, None)
