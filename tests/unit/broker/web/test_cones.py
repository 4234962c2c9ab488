import numpy as np
import pytest

from broker.web import cones, queries
from broker.web.index import Index
from broker.web.places import pixels, separations_deg
from tests.support.said import said, written
from tests.unit.broker.web.test_queries import through


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index.sqlite")
    yield made
    made.close()


def at(ra, dec):
    return {"ra": ra, "dec": dec, "pixel": int(pixels(np.array([[ra, dec]]))[0])}


def test_a_cone_holds_what_is_near_the_nearest_first_also_across_zero_hours(index):
    written(
        index, said("a", 0, **at(359.9995, 10.0)), said("b", 1, **at(0.0001, 10.0)), said("far", 2, **at(0.5, 10.0))
    )
    with index.reading() as reading:
        found = queries.within(reading, 0.0, 10.0, 0.01).rows
    assert [row["object"] for row in found] == ["b", "a"]
    assert found[1]["separation_deg"] == pytest.approx(0.0005 * np.cos(np.radians(10)), rel=1e-6)


@pytest.mark.parametrize(("ra", "dec"), [(0.3, 10.0), (200.0, -89.2), (45.0, 41.8)])
def test_the_pages_of_a_cone_hold_each_object_within_it_once_in_order(index, ra, dec):
    random = np.random.default_rng(3)
    places = np.array([[ra, dec]] * 5 + [[ra + d, dec + e] for d, e in random.normal(0, 0.7, (800, 2))])
    places = np.stack([places[:, 0] % 360, np.clip(places[:, 1], -90, 90)], axis=1)
    written(index, *(said(f"o{i}", i, **at(*place)) for i, place in enumerate(places.tolist())))
    apart = separations_deg(places, ra, dec)
    with index.reading() as reading:
        for radius in (0.01, 0.5, 2.0):
            rows, number = through(lambda cursor, r=radius: queries.within(reading, ra, dec, r, cursor, 40))
            assert {row["object"] for row in rows} == {f"o{i}" for i in np.flatnonzero(apart <= radius)}
            order = [(row["separation_deg"], row["object"]) for row in rows]
            assert order == sorted(set(order))
            assert number == max(1, -(-len(rows) // 40))


def test_a_page_of_a_large_cone_reads_little_of_it_and_from_an_index_alone(index):
    random = np.random.default_rng(4)
    places = np.array([[50.0, 0.0]]) + random.uniform(-1.4, 1.4, (20_000, 2))
    made = pixels(places).tolist()
    rows = [
        said(f"o{i}", i, ra=ra, dec=dec, pixel=pixel)
        for i, ((ra, dec), pixel) in enumerate(zip(places.tolist(), made, strict=True))
    ]
    written(index, *rows)
    with index.reading() as reading:
        read = []
        reading.set_trace_callback(read.append)
        assert len(queries.within(reading, 50.0, 0.0, 2.0, None, 50).rows) == 50
        reading.set_trace_callback(None)
        looked_at = [one for one in read if "pixel IN" in one]
        counts = (reading.execute(f"SELECT count(*) AS n FROM ({one})").fetchone()["n"] for one in looked_at)
        assert sum(counts) < 2_000
        for one in looked_at:
            plan = reading.execute(f"EXPLAIN QUERY PLAN {one}").fetchall()
            assert all("COVERING INDEX objects_by_place" in step["detail"] for step in plan), plan


def test_a_place_where_too_many_are_is_refused(index, monkeypatch):
    monkeypatch.setattr(cones, "MOST_LOOKED_AT", 10)
    written(index, *(said(f"o{i}", i, **at(10.0, 0.0)) for i in range(11)))
    with index.reading() as reading, pytest.raises(ValueError, match="smaller cone"):
        queries.within(reading, 10.0, 0.0, 0.1)


def test_a_cone_that_is_too_large_is_refused(index):
    with index.reading() as reading, pytest.raises(ValueError, match="at most 2 deg"):
        queries.within(reading, 0.0, 0.0, 3.0)
