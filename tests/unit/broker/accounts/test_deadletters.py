"""What a dead letter says, and which of them can be sent back, without any server."""

import pytest

from broker.accounts import resend
from broker.accounts.deadletters import Choice, Letter, described, hexdump, read_letter, row
from broker.accounts.resend import REPLAY_OF, name_of, named, own_spans, resent_headers, sent_already, wish
from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.kafka.subscription import NOT_OURS
from broker.outputs.messages import LARGEST_ENVELOPE, LARGEST_VALUE, Outputs
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from tests.support.alerts import record, wire

OUTPUTS = Outputs(Topics(), "none", "d" * 64, "balanced", "0")
READER = AlertReader(4 * 1024 * 1024)
KNOWN = {("alerts", 3)}


def letter(value=b"no Avro", *, fate="dead_letter", reason=Reason.NOT_AVRO, read_ms=1_000, **changes):
    message = Message(
        **{"topic": "alerts", "partition": 3, "offset": 9, "timestamp_ms": 1_700_000_000_000, "value": value} | changes
    )
    made = OUTPUTS.dead_letter(message, PoisonMessage(reason, "because"), read_ms)
    made = OUTPUTS.duplicate(message, read_ms) if fate == "duplicate" else made
    return Letter(1, 7, read_letter(made.value))


def choice(**wanted):
    return Choice(survey_of=lambda one: READER.survey_of(one.original()), **wanted)


def test_the_original_message_comes_back_whole():
    headers = (("producer_timestamp", b"\x00\xff"), ("empty", None))
    assert letter(b"bytes", key=b"\xff", headers=headers).original() == Message(
        "alerts", 3, 9, 1_700_000_000_000, b"\xff", b"bytes", headers
    )


def test_a_time_beyond_the_calendar_is_read_and_shown():
    lines = "\n".join(described(letter(timestamp_ms=2**62, read_ms=2**62), READER))
    assert f"{2**62} ms" in lines


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ({}, True),
        ({"fate": "dead_letter", "reason": "not_avro", "since_ms": 1_000, "until_ms": 1_001}, True),
        ({"fate": "duplicate"}, False),
        ({"reason": "empty"}, False),
        ({"since_ms": 1_001}, False),
        ({"until_ms": 1_000}, False),
        ({"survey": "plasticc"}, False),
    ],
)
def test_letters_are_chosen_by_what_they_say(wanted, taken):
    assert choice(**wanted).takes(letter()) is taken


def test_the_survey_is_told_where_the_bytes_decode():
    bad = letter(wire(record(survey="ztf", flux=float("nan"))))
    assert choice(survey="ztf").takes(bad)
    assert not choice(survey="lsst").takes(bad)
    assert row(bad, READER.survey_of(bad.original()))["survey"] == "ztf"


def test_all_is_shown_and_nothing_reaches_the_terminal_unescaped():
    hostile = letter(b"\x1b[2J" + bytes(40), key=b"\x1b[2J", headers=(("\x1b[31m", b"\x07"),))
    text = "\n".join(described(hostile, READER))
    assert "\x1b" not in text
    assert "alerts[3]@9" in text
    assert "44 bytes, 44 in the original" in text
    assert "1b 5b 32 4a 00" in text
    assert "decoding    length_bomb: a length prefix claims more than is left" in text
    assert "works now: alert 7 of plasticc/615" in "\n".join(described(letter(wire(record())), READER))


def test_a_hexdump_has_sixteen_bytes_a_line():
    assert list(hexdump(b"0123456789abcdef\x00A")) == [
        "  0000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        "  0010  00 41                                            .A",
    ]


@pytest.mark.parametrize(
    ("one", "refused"),
    [
        (letter(), None),
        (letter(b"", reason=Reason.EMPTY), None),
        (letter(None, reason=Reason.EMPTY), None),
        (letter(fate="duplicate"), "a duplicate has been answered"),
        (letter(bytes(LARGEST_VALUE + 1)), "its value was cut: not all bytes are kept"),
        (letter(key=bytes(LARGEST_ENVELOPE + 1)), "its key and headers are not kept"),
        (letter(partition=4), "alerts[4] is gone"),
    ],
    ids=["good", "empty", "null", "duplicate", "cut", "bare", "gone"],
)
def test_what_cannot_be_sent_back_is_refused_with_the_reason(one, refused):
    assert wish(one, KNOWN).refused == refused


def test_what_was_sent_back_is_recognised_and_a_strangers_header_is_not():
    headers = (("other", b"1"), (REPLAY_OF, b"old/0/1"))
    resent = letter(headers=headers)
    assert resent_headers(resent) == [("other", b"1"), (REPLAY_OF, b"alerts/3/9")]
    again = Message("alerts", 3, 11, 0, value=b"no Avro", headers=tuple(resent_headers(resent)))
    strangers = [again._replace(headers=((REPLAY_OF, value),)) for value in (None, b"", b"a/b/c", b"\xff")]
    assert sent_already([[again], strangers], [wish(resent, KNOWN)]) == {resent.source}
    assert named(name_of(("a.b-c_d", 0, 2**40))) == ("a.b-c_d", 0, 2**40)


@pytest.mark.parametrize(
    "forged",
    [
        {"value": b"other"},
        {"value": None},
        {"key": b"k"},
        {"partition": 4},
        {"headers": ((REPLAY_OF, b"alerts/3/9"),) * 2},
    ],
    ids=["value", "null", "key", "partition", "twice the same header is the same message"],
)
def test_a_header_on_another_message_blocks_no_replay(forged):
    true = Message("alerts", 3, 11, 0, value=b"no Avro", headers=((REPLAY_OF, b"alerts/3/9"),))
    same = "headers" in forged
    assert sent_already([[true._replace(**forged)]], [wish(letter(), KNOWN)]) == ({("alerts", 3, 9)} if same else set())


def test_many_letters_go_in_lots_that_a_transaction_may_have(monkeypatch):
    monkeypatch.setattr(resend, "MOST_LETTERS", 3)
    monkeypatch.setattr(resend, "MOST_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 5, 10, 99, 2, 2]
    lots = [[one.record["valueSize"] for one in lot] for lot in resend.parts(letter(bytes(n)) for n in sizes)]
    assert lots == [[1, 1, 1], [1, 9], [5, 10], [99], [2, 2]]
    assert list(resend.parts([])) == []


def test_the_least_that_holds_the_letters_is_read_again():
    assert own_spans("letters", [(0, 5), (2, 8), (0, 9)]) == [Span("letters", 0, 5, 10), Span("letters", 2, 8, 9)]


def test_what_is_no_letter_is_an_error_that_readers_pass_over():
    for value in (b"", b"who knows", encode(record(), "observation"), bytes(3)):
        with pytest.raises(NOT_OURS):
            read_letter(value)
