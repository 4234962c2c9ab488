"""The board of the last classifications, and a classification in one line."""

import io
import math

import pytest
from rich.console import Console

from broker.commands.board import Board, Row
from broker.commands.selection import Selection
from broker.commands.watch import Form, check_route
from broker.errors import StartupError
from broker.settings.routes import Route


def classification(name="615", *probabilities, **changes):
    classes = [{"classId": c, "probability": p} for c, p in probabilities or ((42, 0.25), (90, 0.75))]
    told = {"objectId": name, "mjd": 60_000.5, "observations": 3, "classifications": classes}
    return told | {"anomalyScore": 2.5, "anomaly": False} | changes


def drawn(board):
    console = Console(file=io.StringIO(), width=200)
    console.print(board.table("title"))
    return console.file.getvalue()


def test_the_newest_object_comes_first_and_each_object_once():
    board = Board(rows=2)
    for name in ("a", "b", "a", "c"):
        board.add(classification(name))
    lines = [line for line in drawn(board).splitlines() if "60000.500" in line]
    assert [line.split()[1] for line in lines] == ["c", "a"]
    assert board.seen == 4


def test_a_line_says_best_second_and_the_flag():
    assert Row.of(classification(anomaly=True)).line() == "615  60000.500  3  SN Ia  0.75  SN II 0.25  2.50 !"
    assert Row.of(classification()).line().endswith("  2.50")


def test_records_that_are_odd_but_sound_avro_are_shown():
    nan = math.nan
    for record in (
        classification("odd", (90, nan), (7, 1e30)),
        classification("odd", (1, -math.inf)),
        classification("odd", mjd=nan, anomalyScore=nan, observations=-1),
        classification("odd") | {"classifications": []},
    ):
        board = Board()
        assert board.add(record).line().startswith("odd")
        assert "odd" in drawn(board)


ALL, ZTF = Selection(), Selection(survey="ztf")
CANNOT = [
    ("packet", "schemaless", ALL, Form.TABLE, "without any schema, which nobody can read here; frame it as container"),
    ("packet", "container", Selection(anomalies=True), Form.TABLE, "has no flag; leave --anomalies out"),
    ("elasticc", "schemaless", Selection(anomalies=True), Form.TABLE, "has no flag; leave --anomalies out"),
    ("packet", "schema_in_key", ZTF, Form.TABLE, "names no object; leave --survey and --object out"),
    ("elasticc", "schema_in_key", Selection(object="ztf/6"), Form.TABLE, "names no object; leave --survey and"),
    ("elasticc", "container", ALL, Form.AVRO, "take --format jsonl"),
]


@pytest.mark.parametrize(("content", "framing", "wanted", "form", "said"), CANNOT)
def test_what_a_route_cannot_tell_is_said_before_it_is_read(content, framing, wanted, form, said):
    route = Route(topic="t", content=content, framing=framing)
    with pytest.raises(StartupError, match=rf"^route r publishes content={content}") as caught:
        check_route("r", route, wanted, form)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "framing", "wanted", "form"),
    [
        ("classification", "schemaless", Selection(anomalies=True, object="ztf/6"), Form.AVRO),
        ("packet", "container", ZTF, Form.TABLE),
        ("packet", "schema_in_key", ALL, Form.JSONL),
        ("elasticc", "schemaless", ZTF, Form.JSONL),
    ],
)
def test_what_a_route_can_tell_is_not_refused(content, framing, wanted, form):
    check_route("r", Route(topic="t", content=content, framing=framing), wanted, form)
