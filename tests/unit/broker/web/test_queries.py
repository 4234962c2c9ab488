import pytest

from broker.web import queries
from broker.web.index import Index
from broker.web.queries import Filters
from tests.support.said import said, written


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index.sqlite")
    yield made
    made.close()


def through(pages):
    """What all the pages of a list hold, and how many pages there were."""
    rows, cursor = [], None
    for number in range(1, 100):
        page = pages(cursor)
        rows += page.rows
        if (cursor := page.cursor) is None:
            return rows, number
    raise AssertionError("no end")


def test_an_id_is_found_in_any_survey_and_by_its_beginning(index):
    names = ["615", "6151", "ZTF18abc", "61"]
    written(index, *(said(name, i, survey="ztf" if name[0] == "Z" else "plasticc") for i, name in enumerate(names)))
    with index.reading() as reading:
        assert [row["object"] for row in queries.named(reading, "615").rows] == ["615", "6151"]
        assert [row["object"] for row in queries.named(reading, "ztf/ZTF18abc").rows] == ["ZTF18abc"]
        assert queries.named(reading, "%").rows == []


def test_what_is_found_by_its_id_or_by_an_alert_comes_in_pages(index):
    names = [(survey, f"6{i}") for i in range(10) for survey in ("rubin", "ztf")]
    written(index, *(said(name, i, survey=survey, alert=7) for i, (survey, name) in enumerate(names)))
    with index.reading() as reading:
        for pages in (
            lambda cursor: queries.named(reading, "6", cursor, 3),
            lambda cursor: queries.of_alert(reading, 7, cursor, 3),
        ):
            rows, number = through(pages)
            assert [(row["survey"], row["object"]) for row in rows] == names
            assert number == 7
        rows, number = through(lambda cursor: queries.of_id(reading, "63", cursor, 1))
        assert ([row["survey"] for row in rows], number) == (["rubin", "ztf"], 2)


def test_pages_hold_everything_once_though_rows_are_added_between_them(index):
    written(index, *(said(f"o{i}", i) for i in range(25)))
    seen, cursor = [], None
    with index.reading() as reading:
        while True:
            page = queries.newest(reading, Filters(), cursor, 10)
            seen += [row["object"] for row in page.rows]
            written(index, said(f"new {len(seen)}", 100 + len(seen)))
            if (cursor := page.cursor) is None:
                break
    assert seen == [f"o{i}" for i in reversed(range(25))]


def test_filters_leave_what_is_wanted(index):
    written(index, said("a", 0, best=15), said("b", 1, best=90), said("c", 2, best=90, probability=0.3))
    with index.reading() as reading:
        found = queries.newest(reading, Filters(best=90, probability=0.5), None, 10)
    assert [row["object"] for row in found.rows] == ["b"]


def test_anomalies_come_newest_first_since_a_time(index):
    written(index, *(said("a", i, anomaly=i % 2) for i in range(10)))
    with index.reading() as reading:
        found = queries.anomalies(reading, 1_795_000_000_023, None, 2)
        rest = queries.anomalies(reading, 0, found.cursor, 10)
    assert [row["alert"] - 2**60 for row in found.rows] == [9, 7]
    assert [row["alert"] - 2**60 for row in rest.rows] == [5, 3, 1]


def test_an_object_that_is_flagged_again_and_again_is_one_row_with_its_newest_and_its_highest_score(index):
    scores = (4.0, 9.0, 5.0, 1.0)
    written(index, *(said("a", i, anomaly=int(score > 2), score=score) for i, score in enumerate(scores)))
    written(index, said("b", 9, anomaly=1, score=3.5), said("c", 10))
    with index.reading() as reading:
        first = queries.anomalous(reading, 0, None, 1)
        rest = queries.anomalous(reading, 0, first.cursor, 10)
        assert queries.anomalous(reading, 1_795_000_000_024, None, 10).rows == first.rows
    named = ("object", "score", "highest", "flagged")
    assert [tuple(row[n] for n in named) for row in first.rows + rest.rows] == [("b", 3.5, 3.5, 1), ("a", 5.0, 9.0, 3)]
    assert rest.cursor is None


def test_an_object_whose_flagged_answers_were_forgotten_is_in_no_list_of_anomalies(tmp_path):
    made = Index(tmp_path / "small.sqlite", most_answers=2)
    for i in range(4):
        written(made, said("a", i, anomaly=int(i == 0)))
    with made.reading() as reading:
        assert queries.anomalous(reading, 0, None, 10).rows == []
    made.close()


def test_objects_with_an_anomaly_are_read_from_an_index_in_order(index):
    with index.reading() as reading:
        plan = reading.execute(
            "EXPLAIN QUERY PLAN SELECT answers.*, flagged, highest FROM objects JOIN answers ON answers.id ="
            " flagged_answer WHERE flagged_answer < ? AND published_ms >= ? ORDER BY flagged_answer DESC LIMIT ?",
            (9, 0, 9),
        ).fetchall()
    told = [step["detail"] for step in plan]
    assert "objects_by_flag" in told[0], told
    assert not any("TEMP B-TREE" in step for step in told), told


@pytest.mark.parametrize("wanted", [Filters(), Filters(probability=0.9), Filters(best=90), Filters("ztf", 90, 0.5)])
def test_which_objects_are_wanted_is_read_from_an_index_without_the_table_and_in_order(index, wanted):
    for before in (None, 7):
        query, values = queries.newest_of(wanted, before)
        with index.reading() as reading:
            plan = reading.execute(f"EXPLAIN QUERY PLAN {query}", (*values, 9)).fetchall()
        told = [step["detail"] for step in plan]
        assert not any("TEMP B-TREE" in step for step in told), told
        assert all("COVERING INDEX" in step or "PRIMARY KEY" in step for step in told), told
