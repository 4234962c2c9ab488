import pytest

from broker.web import queries
from broker.web.index import Index
from broker.web.queries import Filters
from broker.web.tables import FORGET
from tests.support.said import said, written


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index.sqlite", most_answers=30)
    yield made
    made.close()


def test_the_answers_of_an_object_are_linked_within_a_batch_and_from_one_to_the_next(index):
    written(index, said("a", 0), said("b", 1), said("a", 2), said("a", 3, survey="ztf"))
    written(index, said("a", 4))
    with index.reading() as reading:
        linked = [tuple(row.values()) for row in reading.execute("SELECT id, before FROM answers ORDER BY id")]
        assert [row["observations"] for row in queries.answers(reading, "plasticc", "a")] == [1, 3, 5]
    assert linked == [(1, None), (2, None), (3, 1), (4, None), (5, 3)]


def test_answers_come_by_time_whenever_they_were_said_and_of_many_those_said_last(index):
    written(index, *(said("a", i, mjd=60_000.0 - i % 3) for i in range(6)))
    with index.reading() as reading:
        assert [row["id"] for row in queries.answers(reading, "plasticc", "a")] == [3, 6, 2, 5, 1, 4]
        assert [row["id"] for row in queries.answers(reading, "plasticc", "a", 2)] == [6, 5]


def test_answers_end_where_the_older_ones_were_forgotten(index):
    written(index, said("a", 0), *(said(f"b{i}", i) for i in range(28)), said("a", 1))
    written(index, said("c", 2))
    with index.reading() as reading:
        assert [row["id"] for row in queries.answers(reading, "plasticc", "a")] == [30]
        assert queries.newest(reading, Filters(), None, 100).rows[-1]["object"] == "b0"


@pytest.mark.parametrize("wanted", [Filters(), Filters(best=90), Filters(probability=0.7), Filters("plasticc", 90)])
def test_an_object_is_where_its_last_answer_is_and_only_there(index, wanted):
    written(index, *(said(name, i) for i, name in enumerate("abcabc")))
    written(index, said("b", 7, best=42, probability=0.5, survey="plasticc"))
    with index.reading() as reading:
        pages = [queries.newest(reading, wanted, None, 1)]
        while pages[-1].cursor:
            pages.append(queries.newest(reading, wanted, pages[-1].cursor, 1))
    found = [(row["object"], row["answer"]) for page in pages for row in page.rows]
    assert found == ([("b", 7)] if wanted == Filters() else []) + [("c", 6), ("a", 4)]


def test_a_place_is_the_last_one_told_and_one_that_is_not_told_changes_nothing(index):
    there = {"ra": 10.0, "dec": 5.0, "pixel": 7}
    with index.reading() as reading:
        for told, then in (
            ({}, (None, None, None)),
            ({"ra": 10.0}, (10.0, None, None)),
            ({"dec": 5.0}, (10.0, 5.0, None)),
            (there, (10.0, 5.0, 7)),
            ({}, (10.0, 5.0, 7)),
            (there | {"dec": 5.5}, (10.0, 5.5, 7)),
        ):
            written(index, said("a", **told))
            (row,) = reading.execute("SELECT ra, dec, pixel FROM objects")
            assert tuple(row.values()) == then
        (counted,) = reading.execute("SELECT count(*) AS n FROM objects WHERE pixel = 7")
    assert counted["n"] == 1


def test_forgetting_looks_only_at_the_owners_of_what_goes(index):
    written(index, said("a"))
    with index.reading() as reading:
        plan = reading.execute(f"EXPLAIN QUERY PLAN {FORGET}", (1,)).fetchall()
    assert not any(step["detail"].startswith("SCAN objects") for step in plan), plan
