import asyncio
from urllib.parse import quote

import pytest
from starlette.requests import ClientDisconnect

from broker.web.pages import MOST_STEPS, Listening, place_of, radius_of
from tests.support.said import said, written
from tests.support.webpage import site

HOSTILE = (
    "<script>alert(1)</script>",
    "[/x]",
    "../../etc/passwd",
    "a/b c%2F?#é",
    "x\r\nSet-Cookie: a=b",
    "\u202egpj",
    "..",
)


@pytest.fixture
def page(tmp_path):
    with site(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_each_page_and_no_header(page, name):
    written(page.index, said(name, anomaly=1, published_ms=4_000_000_000_000))
    row = page.client.get("/api/objects").json()["objects"][0]
    assert row["object_id"] == name
    for path in ("/", "/lists/newest", "/lists/anomalies", f"/search?text=plasticc/{quote(name)}"):
        answer = page.client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "\u202e" not in answer.text.partition('<main id="main">')[2]  # above is what the asker typed
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        ({}, ["flagged above 5.50", "Redshift of the host 0.250", "this is enough"], ["least unlike"]),
        ({"photoz": 0.0, "nearest": "TDE"}, ["In our Galaxy", "least unlike TDE"], ["Redshift of"]),
        (
            {"photoz": None, "quality": "outside"},
            ["No redshift", "outside of what training has seen"],
            ["In our Galaxy"],
        ),
        ({"nearest": "TDE", "reasons": '[["max_g", 8.25], ["<b>", -3.5]]'}, ["max_g +8.2 σ, &lt;b&gt; -3.5 σ"], []),
        (
            {"photoz": None, "threshold": None, "quality": ""},
            ["Place on the sky"],
            ["flagged above", "For an answer", "redshift", "Flagged for"],
        ),
    ],
)
def test_an_objects_page_says_what_its_answer_was_judged_by(page, changes, there, not_there):
    written(page.index, said("one", **changes))
    html = page.client.get("/objects/plasticc/one").text
    assert [text for text in there if text not in html] == []
    assert [text for text in not_there if text in html] == []


def test_a_file_that_is_taken_along_has_a_harmless_name(page):
    name = '../"x\rSet-Cookie: a=b' + "y" * 9_000
    written(page.index, said(name))
    page.remember(f"plasticc/{name}", (1.0, 5.0, 1.0, 1, True))
    answer = page.client.get(f"/api/objects/plasticc/{quote(name, safe='')}?form=csv")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    given = answer.headers["content-disposition"]
    assert given.startswith('attachment; filename="plasticc-')
    assert given.count('"') == 2
    assert "/" not in given
    assert len(given) < 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/objects/x/%2e%2e%2f%2e%2e",
        "http://testserver//x",
    ],
)
def test_no_path_leads_out_of_the_page(page, path):
    answer = page.client.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers


class Gone:
    """A reader that is gone before the first event, and one whose server is stopped."""

    @staticmethod
    async def receive():
        return {"type": "http.disconnect"}

    @staticmethod
    async def send(_):
        raise ClientDisconnect


def test_a_listener_that_leaves_before_it_has_begun_leaves_its_place(page):
    left = []

    async def told():
        yield "data: 1\n\n"

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        asyncio.run(Listening(told(), lambda: left.append(1))(scope, Gone.receive, Gone.send))
    assert left == [1]


def test_too_many_listeners_are_told_to_come_later(page):
    for i in range(100):
        assert page.parts.listeners.enter(str(i))
    assert page.client.get("/events").status_code == 503


@pytest.mark.parametrize("typed", [("x", "1"), ("361", "0"), ("0", "-91"), ("nan", "0"), ("1", "inf")])
def test_a_place_that_is_none_is_refused(typed):
    with pytest.raises(ValueError, match="right ascension"):
        place_of(*typed)


def test_a_radius_is_arc_seconds():
    assert radius_of("") == pytest.approx(10 / 3600)
    with pytest.raises(ValueError, match="arc seconds"):
        radius_of("wide")


def test_an_error_is_a_page_for_people_and_json_for_programs(page):
    assert "There is no such page" in page.client.get("/objects/ztf/none").text
    assert page.client.get("/api/objects/ztf/none").json()["detail"].startswith("nothing was said")


def test_an_object_with_very_many_answers_shows_the_newest(page):
    written(page.index, *(said("a", i) for i in range(MOST_STEPS + 5)))
    text = page.client.get("/objects/plasticc/a").text
    assert text.count('class="step"') == MOST_STEPS
    assert f"The newest {MOST_STEPS} of {MOST_STEPS + 5}" in text
