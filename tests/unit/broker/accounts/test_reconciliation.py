"""What a recount says: a table, lines that cut no figure, sentences."""

import io
import re

import pytest
from rich.console import Console

from broker.accounts.ledger import ANOMALY, FATE_BITS, FLAGGED, Ledger
from broker.accounts.reconcile import candidates, offsets, settle
from broker.accounts.reconciliation import Reconciliation, lines, sentences
from broker.commands.recovery import report
from broker.errors import StartupError
from broker.kafka.message import Message
from broker.kafka.spans import Span

PUBLISHED = FATE_BITS["published"]


def recount(size=0, published=(), *, topic="alerts", held=(), pending=0, nameless=0, expired=0):
    ledger = Ledger(Span(topic, 0, 0, size))
    ledger.note(PUBLISHED, published)
    for offset in held:
        ledger.hold(offset)
    return Reconciliation({(topic, 0): ledger}, {(topic, 0): pending}, nameless, expired)


def said(found):
    return list(sentences(found.summary()))


def test_every_fate_is_the_verdict_only_where_there_is_one():
    assert said(recount(3, range(3))) == ["every offset has one fate"]
    assert said(recount()) == ["nothing to account for: there is no alert in that span"]
    assert said(recount(5)) == ["nothing to account for: there is no alert in that span"], "markers of transactions"
    assert said(recount(pending=1_234)) == ["nothing to account for: the group has not committed any of 1,234 offsets"]
    assert said(recount(3, [0, 0, 1], held=[2])) == [
        "gap: alerts[0]@2, found: nothing",
        "double: alerts[0]@0, found: published, again",
        "not every offset has one fate",
    ]
    assert said(recount(nameless=2))[-2:] == [
        "2 messages on the output topics do not name what they answer",
        "not every offset has one fate",
    ]


def test_of_many_defects_some_are_listed_and_all_are_counted():
    found = said(recount(5_000, held=range(5_000), expired=7))
    assert found[-3:] == [
        "gap: 4,980 more",
        "7 outputs are no longer retained; one of them may have answered an early gap",
        "not every offset has one fate",
    ]
    assert len(found) == 23


def test_defects_of_anomalies_are_counted_by_kind():
    ledger = Ledger(Span("alerts", 0, 0, 3))
    ledger.note(PUBLISHED | FLAGGED, [0, 1])
    ledger.note(PUBLISHED, [2])
    ledger.note(ANOMALY, [1, 1, 2])
    summary = Reconciliation({("alerts", 0): ledger}, {("alerts", 0): 0}, 0, 0).summary()
    assert summary["defects"] == {
        "flagged without its anomaly": 1,
        "anomaly without its classification": 1,
        "anomaly twice": 1,
    }
    assert summary["totals"]["anomaly_defects"] == 3


@pytest.mark.parametrize("width", [10, 60, 80, 119, 200, 400])
def test_no_figure_is_cut_at_any_width(width):
    found = recount(2_345_678, range(2_000_000), topic="alerts-of-a-survey-with-a-long-name", pending=87_654_321)
    console = Console(file=io.StringIO(), width=width)
    report(found.summary(), console)
    text = console.file.getvalue()
    assert "…" not in text
    for figure in ("2,000,000", "87,654,321", "345,678", "2345678", "alerts-of-a-survey-with-a-long-name"):
        assert re.search(rf"(?<![\d,]){re.escape(figure)}|,{re.escape(figure)}", text), figure
    assert ("│" in text) is (width >= 200)


def test_lines_break_between_figures():
    summary = recount(2_000, range(1_000), held=[1_500], pending=3).summary()
    assert list(lines(summary, 40)) == [
        "alerts[0] from 0 to 2000:",
        "  1,000 published, 999 empty, 1 gaps,",
        "  0 doubles, 3 pending",
        "all: 1,000 published, 999 empty, 1 gaps,",
        "  0 doubles, 3 pending",
    ]


def test_offsets_as_an_operator_writes_them():
    assert [offsets(None)(0), offsets("80")(7), offsets("0:80,2:95")(2), offsets("0:80,2:95")(1)] == [
        None,
        80,
        95,
        None,
    ]
    for text in ("", "a", "0:", "1:2:3", "0:80,95"):
        with pytest.raises(StartupError, match="are no offsets; write 80"):
            offsets(text)


def test_only_what_is_without_a_fate_is_read_again_in_few_goes():
    ledger = Ledger(Span("alerts", 2, 100, 60_100))
    ledger.note(PUBLISHED, [o for o in range(100, 60_100) if o not in (150, 170, 50_000)])
    assert list(candidates(ledger)) == [Span("alerts", 2, 150, 171), Span("alerts", 2, 50_000, 50_001)]
    full = Ledger(Span("alerts", 0, 0, 2))
    full.note(PUBLISHED, [0, 1])
    assert list(candidates(full)) == []


def test_an_offset_without_a_fate_is_a_gap_only_where_a_message_is():
    ledger = Ledger(Span("alerts", 0, 0, 4))
    ledger.note(PUBLISHED, [0, 2])
    asked = []

    def reading(some):
        asked.extend(some)
        yield [Message("alerts", 0, 1, 5)]

    settle({("alerts", 0): ledger}, reading)
    assert asked == [Span("alerts", 0, 1, 4)]
    assert ledger.defects()["gap"].tolist() == [1]
    assert ledger.empty == 1
