"""The board of the last classifications, and a classification in one line."""

import io
import math

from rich.console import Console

from broker.commands.board import Board, Row


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
