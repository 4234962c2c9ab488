import numpy as np
import pytest

from broker.errors import TransientError
from broker.web.places import pixels
from broker.web.skyportal import JD_OF_MJD
from tests.support.said import said, written
from tests.support.webpage import site


@pytest.fixture
def page(tmp_path):
    with site(tmp_path) as made:
        place = {"ra": 10.0, "dec": -5.0, "pixel": int(pixels(np.array([[10.0, -5.0]]))[0])}
        written(
            made.index,
            said("17", 0, survey="rubin", **place),
            said("17", 1, survey="rubin", **place),
            said("nowhere", 2),
            said("18", 3, survey="ztf", ra=200.0, dec=5.0),
        )
        made.remember(
            "rubin/17", (59_999.0, 5.0, 1.0, 0, False), (60_000.0, 50.0, 2.0, 1, True), (60_001.0, 70.0, 2.5, 2, True)
        )
        yield made


def test_an_object_is_answered_as_skyportals_generic_provider_reads_it(page):
    found = page.client.get("/alerts/17").json()
    assert (found["objectId"], found["candid"], found["survey"]) == ("17", 2**60 + 1, "LSST")
    assert found["candidate"] == {
        "ra": 10.0, "dec": -5.0, "candid": 2**60 + 1, "jd": 60_001.0 + JD_OF_MJD, "band": "r", "psfFlux": 70.0,
        "psfFluxErr": 2.5,
    }  # fmt: skip
    assert [(p["jd"] - JD_OF_MJD, p["band"]) for p in found["prv_candidates"]] == [(60_000.0, "g"), (60_001.0, "r")]
    assert [p["psfFlux"] for p in found["fp_hists"]] == [5.0]
    assert found["prv_nondetections"] == []
    assert sum(c["probability"] for c in found["classifications"]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["17", "rubin/17", "rubin%2F17", str(2**60), str(2**60 + 1)])
def test_one_is_found_by_its_id_by_its_survey_and_id_and_by_an_alerts_number(page, name):
    assert page.client.get(f"/alerts/{name}").json()["objectId"] == "17"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["18", "17"]),
        ("objectId=17", ["17"]),
        (f"candid={2**60}", ["17"]),
        ("ra=10.0005&dec=-5", ["17"]),
        ("ra=10.5&dec=-5&radius=1&radius_units=deg&permissions=1&jd_start=3", ["17"]),
        ("ra=11&dec=-5", []),
        ("limit=1", ["18"]),
    ],
)
def test_alerts_are_listed_by_what_skyportal_asks(page, asked, expected):
    assert [a["objectId"] for a in page.client.get(f"/alerts?{asked}").json()] == expected


def test_an_object_without_a_light_curve_has_its_place_and_time(page):
    found = page.client.get("/alerts/18").json()
    assert found["candidate"]["jd"] == 60_003.0 + JD_OF_MJD
    assert (found["candidate"]["psfFlux"], found["prv_candidates"]) == (None, [])


def test_limits_are_no_forced_photometry_and_say_how_deep_they_are(page):
    page.remember("ztf/18", (60_000.0, 0.0, 3631.0 / 5, 2, False), (60_001.0, 1.0, 1.0, 1, False))
    found = page.client.get("/alerts/18").json()
    assert found["prv_nondetections"] == [
        {
            "jd": 60_000.0 + JD_OF_MJD,
            "band": "r",
            "psfFlux": None,
            "psfFluxErr": pytest.approx(726.2),
            "diffmaglim": pytest.approx(22.5, abs=1e-3),
        }
    ]
    assert [p["psfFlux"] for p in found["fp_hists"]] == [1.0]
    page.remember("rubin/17", (60_000.0, 0.0, 3631.0 / 5, 2, False))
    assert page.client.get("/alerts/17").json()["prv_nondetections"] == []  # Rubin's alerts tell no limits


def test_no_alert_is_without_a_place(page):
    answer = page.client.get("/alerts/nowhere")
    assert (answer.status_code, "place" in answer.json()["detail"]) == (404, True)
    assert page.client.get("/alerts?objectId=nowhere").json() == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/alerts?limit=1", ["18", "nowhere", "17"]),
        ("/alerts?objectId=17&limit=1", ["17"]),
        ("/alerts?ra=105&dec=0&radius=2&radius_units=deg&limit=2", ["c0", "c1", "c2", "c3", "c4"]),
    ],
)
def test_a_list_goes_on_where_its_link_says(page, path, names):
    for i in range(5 if "ra=" in path else 0):
        place = np.array([[105.0 + i / 10, 0.0]])
        written(page.index, said(f"c{i}", 9, ra=105.0 + i / 10, dec=0.0, pixel=int(pixels(place)[0])))
    found = []
    while path:
        answer = page.client.get(path)
        found += [a["objectId"] for a in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == [name for name in names if name != "nowhere"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/alerts/none", 404),
        (f"/alerts/{10**30}", 404),
        (f"/alerts?candid={10**30}", 422),
        ("/alerts?ra=1", 422),
        ("/alerts?ra=1&dec=1&radius=3&radius_units=deg", 422),
        ("/alerts?ra=nan&dec=1", 422),
        ("/alerts?radius_units=mile", 422),
        ("/alerts?cursor=x", 422),
        ("/alerts?objectId=17&cursor=7", 422),
        ("/alerts?ra=1&dec=1&cursor=7", 422),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_said_in_json(page, path, status):
    answer = page.client.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_light_curves_that_cannot_be_read_are_no_alert_without_history(page):
    def away(*_, **__):
        raise TransientError("redis", "Redis does not answer")

    page.store.read = away
    answer = page.client.get("/alerts/17")
    assert (answer.status_code, "Redis" in answer.json()["detail"]) == (503, True)
