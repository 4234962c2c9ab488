from io import BytesIO

import fastavro
import numpy as np
import pytest
import torch

from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.kafka.topics import LARGEST_LETTER
from broker.outputs.assumed import none_of_these
from broker.outputs.messages import LARGEST_ENVELOPE, LARGEST_VALUE, SMALLEST, Outputs
from model.anomaly import p99
from model.features import STATISTICS
from model.observation import Observation
from model.rates import factors
from model.taxonomy import CLASS_IDS
from schemas.catalogue import confluent_id, load
from tests.support.alerts import record
from tests.support.columns import Alert, Arrival, alerts_of, batch_of
from tests.support.routed import read, verdicts_of
from tests.support.verdicts import said, with_reasons

MESSAGE = Message("alerts", 3, 41, 1_700_000_000_000, b"615", b"bytes", (("producer_timestamp", b"17"), ("none", None)))
ALERT = Alert(7, "615", "plasticc", Observation(59750.5, 1.0, 2.0, 3, True), ra_deg=10.0)


@pytest.fixture
def outputs():
    return Outputs(Topics(), "default", "f" * 64, "balanced", "0.1.0")


def verdicts(anomaly=False):
    p = np.random.default_rng(7).dirichlet(np.ones(14)).astype(np.float32)
    return said(p[None], np.array([0.2], np.float32), np.array([4.5], np.float32), np.array([anomaly]))


def classified(outputs, said):
    arrivals = [Arrival(MESSAGE, ALERT)]
    return outputs.classifications(batch_of(arrivals), alerts_of(arrivals), said, np.array([5]), 10, 20)


def decode(value, name):
    assert value[:5] == b"\x00" + confluent_id(name).to_bytes(4, "big")
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
    assert (got["quality"], got["anomaly"], got["nearestClass"], got["furthest"]) == ("enough", False, None, [])


def test_a_flagged_message_says_why(outputs):
    made = with_reasons(verdicts(anomaly=True))
    got = decode(classified(outputs, made)[0].value, "classification")
    assert got["nearestClass"] == CLASS_IDS[made.nearest[0]]
    wanted = zip(made.furthest[0].tolist(), made.deviations[0].tolist(), strict=True)
    assert got["furthest"] == [{"statistic": STATISTICS[i], "deviations": far} for i, far in wanted]


def test_p99_of_probabilities_that_were_weighed_anew_is_the_models():
    chances = np.random.default_rng(0).dirichlet(np.full(14, 0.1), 500).astype(np.float32)
    chances[0] = np.eye(14, dtype=np.float32)[3]
    assert none_of_these(chances) == pytest.approx(p99(torch.from_numpy(chances)).numpy(), rel=1e-6)


def test_published_rates_weigh_the_probabilities_anew_and_the_message_says_so():
    frequencies = np.full(14, 1 / 14)
    with_rates = Outputs(Topics(), "default", "f" * 64, "natural", "0.1.0", factors(frequencies))
    alerts = [record(alertId=n, objectId="o", survey=survey) for n, survey in enumerate(("ztf", "other", "rubin"), 1)]
    batch, decoded = read(alerts)
    given = verdicts_of(3)
    made = with_rates.published(batch, decoded, np.arange(3), given, np.array([5, 6, 7]), 10, 20)
    found = [decode(one.value, "classification") for one in made if one.topic == "misweeper.classifications"]
    assert [one["priors"] for one in found] == ["published", "natural", "published"]
    for i, one in enumerate(found):
        chances = np.array([c["probability"] for c in one["classifications"]])
        own = given.probabilities[i].astype(float) * factors(frequencies).get(one["survey"].encode(), 1.0)
        assert chances == pytest.approx(own / own.sum(), rel=1e-5, abs=1e-9)
        product = (1 - chances).prod()
        assert one["p99"] == pytest.approx(given.p99[i] if i == 1 else product / (1 + product), rel=1e-4)


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
