"""Hostile names through every viewer: each is shown as what it is, and the terminal obeys none of them."""

import io
import sys

import pytest
from rich.console import Console

from broker.accounts.deadletters import Letter, described, read_letter, row
from broker.accounts.ledger import FATE_BITS, Ledger
from broker.accounts.reconciliation import Reconciliation
from broker.commands import deadletters, demo, main
from broker.commands.board import Board, Row
from broker.commands.recovery import report
from broker.config import Outputs as Topics
from broker.config import variables
from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from tests.support.alerts import record, wire
from tests.support.hostile_names import NAMES, assert_harmless

OUTPUTS = Outputs(Topics(), "none", "d" * 64, "balanced", "0")
READER = AlertReader(4 * 1024 * 1024)
WIDE = 1_000

each_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def printed(*renderables, width=WIDE) -> str:
    """As a pipe would get it."""
    console = Console(file=io.StringIO(), width=width)
    console.print(*renderables)
    return console.file.getvalue()


def classification(name, **changes):
    classes = [{"classId": 90, "probability": 0.75}, {"classId": 42, "probability": 0.25}]
    return {
        "survey": "plasticc",
        "objectId": name,
        "mjd": 60_000.5,
        "observations": 3,
        "classifications": classes,
        "anomalyScore": 2.5,
        "anomaly": True,
    } | changes


@each_name
def test_watch(name):
    board = Board()
    board.add(classification(name))
    assert_harmless(printed(board.table(f"topic {name}")), name)
    assert_harmless(Row.of(classification(name)).line(), name)


def letter(name):
    text = name.encode(errors="surrogatepass")
    message = Message("alerts", 3, 9, 5, text, b"no Avro", ((name.encode("ascii", "replace").decode(), text),))
    made = OUTPUTS.dead_letter(message, PoisonMessage(Reason.NOT_AVRO, name.encode("ascii", "replace").decode()), 1_000)
    found = read_letter(made.value)
    # As a stranger may have written it: every text of the record is hostile.
    return Letter(1, 7, found | {"detail": name, "sourceTopic": name, "reason": name, "fate": name})


@each_name
def test_dead_letters_list(name):
    assert_harmless(printed(deadletters.table([row(letter(name), name)])), name)


@each_name
def test_dead_letters_show(name):
    assert_harmless("\n".join(described(letter(name), READER)), name)


@pytest.mark.parametrize(
    ("name", "said"),
    [("[/x]", "works now"), ("[link=http://evil]x[/link]", "works now"), ("\x1b[2J", "invalid_field")],
)
def test_dead_letters_show_of_an_object_with_a_hostile_name(name, said):
    record_ = letter("a").record | {"value": wire(record(objectId=name)), "sourceTimestamp": 10**13}
    shown = "\n".join(described(Letter(0, 0, record_), READER))
    assert said in shown
    assert_harmless(shown, name)


@each_name
def test_reconcile(name):
    ledger = Ledger(Span(name, 0, 0, 3))
    ledger.note(FATE_BITS["published"], [0, 0])
    ledger.hold(1)
    summary = Reconciliation({(name, 0): ledger}, {(name, 0): 0}, 0, 0).summary()
    for width in (60, WIDE):
        console = Console(file=io.StringIO(), width=width)
        report(summary, console)
        assert_harmless(console.file.getvalue().replace("…", ""), name if width == WIDE else "")


@each_name
def test_the_demos_summary(name):
    tally = demo.Tally({}, strangest={("plasticc", name): classification(name)})
    ((_, shown),) = demo.strangest_rows(tally)
    assert_harmless(printed(shown), name)


@each_name
def test_errors_of_every_command(name, capfd, monkeypatch):
    name = name.replace("\ud800", "\udc80").replace("=", "-")  # a byte that is no UTF-8; what no variable may have
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # main() puts its own there
    monkeypatch.setattr(sys, "argv", ["misweeper", "reconcile"])
    monkeypatch.setenv(f"MISWEEPER_{name}", "1")
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith("misweeper: MISWEEPER_")
    assert said.count("\n") == 1 or "\n" in name
    assert_harmless(said.replace("x" * 1_000, ""), name)


def test_check_shows_an_expression_as_it_is(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__TOPICS", "^ztf_[a-z]+_")
    table = main.settings_table(variables(main.Settings.load()))
    assert "│ ^ztf_[a-z]+_ " in printed(table)
    for name in NAMES.values():
        assert_harmless(printed(main.settings_table({"MISWEEPER_KAFKA__GROUP_ID": name}))[:1_500], name)
