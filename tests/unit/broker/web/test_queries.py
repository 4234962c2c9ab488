import numpy as np
import pytest

from broker.web import queries
from broker.web.index import Index
from broker.web.places import pixels
from broker.web.queries import Filters
from tests.support.said import said, written


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index.sqlite")
    yield made
    made.close()


def at(ra, dec):
    return {"ra": ra, "dec": dec, "pixel": int(pixels(np.array([[ra, dec]]))[0])}


def test_an_id_is_found_in_any_survey_and_by_its_beginning(index):
    names = ["615", "6151", "ZTF18abc", "61"]
    written(index, *(said(name, i, survey="ztf" if name[0] == "Z" else "plasticc") for i, name in enumerate(names)))
    with index.reading() as reading:
        assert [row["object"] for row in queries.named(reading, "615")] == ["615", "6151"]
        assert [row["object"] for row in queries.named(reading, "ztf/ZTF18abc")] == ["ZTF18abc"]
        assert queries.named(reading, "%") == []


def test_a_cone_holds_what_is_near_the_nearest_first_also_across_zero_hours(index):
    written(
        index, said("a", 0, **at(359.9995, 10.0)), said("b", 1, **at(0.0001, 10.0)), said("far", 2, **at(0.5, 10.0))
    )
    with index.reading() as reading:
        found = queries.within(reading, 0.0, 10.0, 0.01)
    assert [row["object"] for row in found] == ["b", "a"]
    assert found[1]["separation_deg"] == pytest.approx(0.0005 * np.cos(np.radians(10)), rel=1e-6)


def test_a_cone_that_is_too_large_is_refused(index):
    with index.reading() as reading, pytest.raises(ValueError, match="at most 2 deg"):
        queries.within(reading, 0.0, 0.0, 3.0)


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


def test_a_cursor_is_a_number_of_ours():
    with pytest.raises(ValueError, match="is no cursor"):
        queries.whole("1; DROP TABLE answers")


@pytest.mark.parametrize("wanted", [Filters(), Filters(probability=0.9), Filters(best=90), Filters("ztf", 90, 0.5)])
def test_which_objects_are_wanted_is_read_from_an_index_without_the_table_and_in_order(index, wanted):
    conditions, values = queries.conditions_of(wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    with index.reading() as reading:
        plan = reading.execute(
            f"EXPLAIN QUERY PLAN SELECT survey, object FROM objects {where} ORDER BY answer DESC LIMIT 9", values
        ).fetchall()
    told = [step["detail"] for step in plan]
    assert not any("TEMP B-TREE" in step for step in told) or wanted.survey, told
    assert all("COVERING INDEX" in step or "PRIMARY KEY" in step or "TEMP" in step for step in told), told
