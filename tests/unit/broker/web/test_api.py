import csv
import io
import re
from html import unescape
from urllib.parse import urlencode

import fastavro
import numpy as np
import pytest

from broker.errors import TransientError
from broker.web.places import pixels
from broker.web.views import address, as_file
from tests.support.said import said, written
from tests.support.webpage import site


@pytest.fixture
def page(tmp_path):
    with site(tmp_path) as made:
        written(made.index, said("615", 0, ra=10.0, dec=-5.0), said("615", 1, anomaly=1), said("x", 2, best=15))
        made.remember("plasticc/615", (59_999.0, -5.0, 1.0, 0, False), (60_001.0, 3631.0, 36.31, 1, True))
        yield made


def test_an_object_is_its_answers_and_its_light_curve(page):
    found = page.client.get("/api/objects/plasticc/615").json()
    assert (found["summary"]["alerts"], found["summary"]["anomaly"]) == (2, True)
    assert [a["alert_id"] for a in found["answers"]] == [str(2**60), str(2**60 + 1)]
    assert found["light_curve"][0] == {
        "mjd": 59_999.0, "band": "u", "flux": -5.0, "flux_err": 1.0, "magnitude": pytest.approx(29.6526),
        "magnitude_err": pytest.approx(0.2171), "detected": False, "kind": "forced",
        "depth": None, "depth_magnitude": None,
    }  # fmt: skip


def test_a_csv_holds_each_point(page):
    rows = list(csv.DictReader(io.StringIO(page.client.get("/api/objects/plasticc/615?form=csv").text)))
    assert [(row["band"], float(row["flux"])) for row in rows] == [("u", -5.0), ("g", 3631.0)]


def test_an_avro_file_is_an_alert_that_can_be_replayed(page):
    content = page.client.get("/api/objects/plasticc/615?form=avro").content
    (record,) = fastavro.reader(io.BytesIO(content))
    assert (record["objectId"], record["flux"], record["alertId"]) == ("615", 3631.0, 2**60 + 1)
    assert [h["flux"] for h in record["history"]] == [-5.0]


def test_an_object_without_a_light_curve_makes_no_file(page):
    assert page.client.get("/api/objects/plasticc/x?form=avro").status_code == 404
    assert page.client.get("/api/objects/plasticc/none?form=csv").status_code == 404


@pytest.mark.parametrize("form", ["csv", "avro"])
def test_a_redis_that_is_away_makes_no_empty_file(page, form):
    def away(*_, **__):
        raise TransientError("redis", "away")

    page.store.read = away
    assert page.client.get(f"/api/objects/plasticc/615?form={form}").status_code == 503
    assert page.client.get("/api/objects/plasticc/615").json()["trouble"] == "redis: away"


@pytest.mark.parametrize("question", ["text=n", "ra=10&dec=-5&radius=1"])
def test_searches_come_in_pages_for_programs_and_for_people(page, question):
    places = np.array([[10.0 + i / 1_000, -5.0] for i in range(120)])
    some = [
        said(f"n{i:03}", i, ra=ra, dec=dec, pixel=pixel)
        for i, ((ra, dec), pixel) in enumerate(zip(places.tolist(), pixels(places).tolist(), strict=True))
    ]
    written(page.index, *some)
    kind = "search" if "text" in question else "cone"
    names, path = [], f"/api/{kind}?{question}"
    while path:
        found = page.client.get(path).json()
        names += [o["object_id"] for o in found["objects"]]
        path = found["cursor"] and f"/api/{kind}?{question}&{urlencode({'cursor': found['cursor']})}"
    assert names == [f"n{i:03}" for i in range(120)]
    names, path = [], f"/search?{question.replace('radius=1', 'radius=3600')}"
    while path:
        html = page.client.get(path).text
        names += re.findall(r"plasticc/</span>(n\d+)", html)
        more = re.search(r'rel="next" href="([^"]+)">More', html)
        path = more and "/search" + unescape(more[1])
    assert names == [f"n{i:03}" for i in range(120)]
    assert page.client.get(f"/api/{kind}?{question}&cursor=x").status_code == 422
    assert page.client.get(f"/search?{question}&cursor=x").status_code == 422


def test_an_object_of_any_name_is_answered_for_itself_and_for_no_other(page):
    names = [("plasticc", "615/lightcurve.csv"), ("plasticc", "615/alert.avro"), ("plasticc", "a/../b"), ("a", "b/c")]
    awkward = [("plasticc", "."), ("plasticc", ".."), ("..", "x"), ("a/b", "c"), ("", "x"), ("plasticc", "")]
    for number, (survey, name) in enumerate([*names, *awkward]):
        written(page.index, said(name, 10 + number, survey=survey))
        page.remember(f"{survey}/{name}", (1.0, 100.0 + number, 1.0, 1, True))
        there = address(survey, name)
        found = page.client.get("/api" + there).json()
        assert (found["summary"]["survey"], found["summary"]["object_id"]) == (survey, name)
        assert page.client.get(there).status_code == 200
        rows = list(csv.DictReader(io.StringIO(page.client.get(as_file(there, "csv")).text)))
        assert [float(row["flux"]) for row in rows] == [100.0 + number]


def test_lists_and_searches(page):
    def names(path):
        return [o["object_id"] for o in page.client.get(path).json()["objects"]]

    assert names("/api/objects") == ["x", "615"]
    assert names("/api/objects?best=15") == ["x"]
    assert names("/api/search?text=61") == ["615"]
    first = page.client.get("/api/objects?limit=1").json()
    assert names(f"/api/objects?cursor={first['cursor']}") == ["615"]
    assert [a["alert_id"] for a in page.client.get("/api/anomalies").json()["answers"]] == [str(2**60 + 1)]
    (flagged,) = page.client.get("/api/anomalies/objects").json()["objects"]
    assert (flagged["newest"]["object_id"], flagged["alerts"], flagged["highest"]) == ("615", 1, 3.0)
    assert page.client.get("/api/risers").json() == {"risers": [], "trouble": "", "cursor": None}
