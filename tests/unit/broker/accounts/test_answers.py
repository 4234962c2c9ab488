"""Outputs on their way into the ledgers: which offset each answers, and what strangers write is counted."""

from broker.accounts.answers import NOTED, Answers, anomaly_bits, letter_bits, published_bits
from broker.accounts.ledger import ANOMALY, FATE_BITS, FLAGGED, Ledger
from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.outputs.messages import Outputs
from broker.packets.framings import encode

OUTPUTS = Outputs(Topics(), "none", "d" * 64, "balanced", "0")
ALERT = Message("alerts", 0, 3, 5, b"k", b"no Avro")


def answer(offset, value=b"", **headers):
    named = {"source_topic": b"alerts", "source_partition": b"0", "source_offset": b"%d" % offset} | headers
    return Message("outputs", 0, 0, 0, value=value, headers=tuple(named.items()))


def ledger_of(messages, bits=lambda _: FATE_BITS["published"]):
    ledger = Ledger(Span("alerts", 0, 0, 10))
    answers = Answers({("alerts", 0): ledger})
    answers.take(messages, bits)
    answers.note()
    return ledger, answers


def test_each_answer_is_noted_at_the_offset_that_it_names():
    ledger, answers = ledger_of([answer(1), answer(4), answer(4), answer(99), answer(2, source_topic=b"others")])
    assert ledger.seen(1) == "published"
    assert ledger.seen(4) == "published, again"
    assert ledger.without_fate().tolist() == [0, 2, 3, 5, 6, 7, 8, 9]
    assert answers.nameless == 0, "what answers another topic has a name"


def test_what_names_nothing_is_counted():
    strange = [
        Message("outputs", 0, 0, 0),
        answer(1, source_offset=b"many"),
        answer(1, source_topic=b"\xff"),
        answer(1, source_partition=b"\xff"),
    ]
    assert ledger_of(strange)[1].nameless == 4
    assert ledger_of([answer(1, b"who knows")], published_bits)[1].nameless == 1
    assert ledger_of([answer(1, b"who knows")], letter_bits)[1].nameless == 1


def test_what_waits_is_written_down_before_it_becomes_much():
    ledger = Ledger(Span("alerts", 0, 0, NOTED + 1))
    answers = Answers({("alerts", 0): ledger})
    answers.take([answer(offset) for offset in range(NOTED + 1)], lambda _: FATE_BITS["declined"])
    assert ledger.fates()["declined"] == NOTED + 1


def test_the_value_says_which_fate_it_is():
    made = OUTPUTS.dead_letter(ALERT, PoisonMessage(Reason.NOT_AVRO, "because"), 1)
    assert letter_bits(made.value) == FATE_BITS["dead_letter"]
    assert letter_bits(OUTPUTS.duplicate(ALERT, 1).value) == FATE_BITS["duplicate"]
    assert anomaly_bits(b"") == ANOMALY
    text = dict.fromkeys(("objectId", "survey", "priors", "classifierName", "classifierVersion", "brokerVersion"), "a")
    numbers = dict.fromkeys(("alertId", "mjd", "observations", "p99", "anomalyScore"), 1)
    rest = {"ra": None, "dec": None, "classifications": [], "ingestTimestamp": 0, "publishTimestamp": 0}
    for flag, bits in ((True, FATE_BITS["published"] | FLAGGED), (False, FATE_BITS["published"])):
        for version in (1, 2):
            said = text | numbers | rest | {"anomaly": flag, "quality": "enough", "nearestClass": 42}
            assert published_bits(encode(said, "classification", version)) == bits
