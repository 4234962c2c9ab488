import sqlite3

import pytest

from broker.web.index import OURS, Batch, Index
from tests.support.said import as_told, said, written


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.sqlite"


def test_what_is_written_is_there_after_a_restart_and_the_feed_goes_on_where_it_was(path):
    index = Index(path)
    index.write(Batch(as_told(said("a")), {("2026-11-25", "c"): 1}, {("c", 0): 7, ("c", 1): 3}))
    index.write(Batch(as_told(said("a", 1)), {("2026-11-25", "c"): 2}, {("c", 0): 8}))
    index.close()
    again = Index(path)
    assert again.places() == {("c", 0): 8, ("c", 1): 3}
    with again.reading() as reading:
        assert reading.execute("SELECT messages FROM nights").fetchall() == [{"messages": 3}]
        (found,) = reading.execute("SELECT * FROM objects").fetchall()
    assert (found["alerts"], found["first_mjd"], found["mjd"], found["observations"]) == (2, 60_000.0, 60_001.0, 2)


def test_a_batch_that_fails_leaves_nothing(path):
    index = Index(path)
    with pytest.raises(sqlite3.Error):
        index.write(Batch(as_told(said("a"), said("b", mjd=None)), {}, {("c", 0): 7}))
    assert index.places() == {}
    with index.reading() as reading:
        assert reading.execute("SELECT count(*) AS n FROM answers").fetchone() == {"n": 0}


def test_the_oldest_answers_go_and_objects_that_have_none_left(path):
    index = Index(path, most_answers=10)
    for number in range(50):
        written(index, said(f"object {number % 25}", number))
    with index.reading() as reading:
        assert reading.execute("SELECT count(*) AS n FROM answers").fetchone()["n"] == 10
        assert reading.execute("SELECT count(*) AS n FROM objects").fetchone()["n"] == 10


def test_a_file_of_another_layout_is_begun_anew(path):
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE answers (something)")
        old.execute(f"PRAGMA application_id = {OURS}")
        old.execute("PRAGMA user_version = 999")
    old.close()
    assert Index(path).places() == {}


def test_a_reader_cannot_write(path):
    with Index(path).reading() as reading, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reading.execute("DELETE FROM answers")


def test_a_file_of_any_name_can_be_read(tmp_path):
    index = Index(tmp_path / "a?b#c%41.sqlite")
    written(index, said("a"))
    with index.reading() as reading:
        assert len(reading.execute("SELECT * FROM objects").fetchall()) == 1
    index.close()


def test_another_programs_database_is_left_alone(path):
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE theirs (x)")
    theirs.close()
    with pytest.raises(sqlite3.DatabaseError, match="another program"):
        Index(path)
    with sqlite3.connect(path) as theirs:
        assert theirs.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    theirs.close()
