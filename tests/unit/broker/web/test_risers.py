import pytest

from broker.errors import TransientError
from broker.web import risers
from tests.support.said import said, written
from tests.support.webpage import site


@pytest.fixture
def page(tmp_path):
    with site(tmp_path) as made:
        written(made.index, *(said(name, i) for i, name in enumerate(("slow", "fast", "falls", "none"))))
        made.remember("plasticc/slow", (1.0, 0.0, 1.0, 1, True), (2.0, 10.0, 1.0, 1, True))
        made.remember("plasticc/fast", (1.0, 0.0, 1.0, 1, True), (2.0, 99.0, 1.0, 1, True))
        made.remember("plasticc/falls", (1.0, 50.0, 1.0, 1, True), (2.0, 10.0, 1.0, 1, True))
        yield made


def test_the_fastest_come_first_and_what_falls_is_none(page):
    found, trouble = page.parts.risers.found()
    assert ([o.object_id for o, _ in found], trouble) == (["fast", "slow"], "")
    assert "fast" in page.client.get("/lists/risers").text


def test_the_list_comes_in_pages(page):
    first = page.client.get("/api/risers?limit=1").json()
    rest = page.client.get("/api/risers", params={"cursor": first["cursor"]}).json()
    assert [r["summary"]["object_id"] for r in (*first["risers"], *rest["risers"])] == ["fast", "slow"]
    assert rest["cursor"] is None
    assert page.client.get("/api/risers?cursor=7").status_code == 422


def test_light_curves_are_looked_at_now_and_then_however_often_somebody_asks(page, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(risers, "monotonic", lambda: now[0])
    before = page.parts.risers.found()
    page.store.logs.clear()
    assert page.parts.risers.found() is before
    now[0] += risers.EVERY_S
    assert page.parts.risers.found().risers == []


def test_a_redis_that_is_away_is_told(page):
    def away(*_, **__):
        raise TransientError("redis", "Redis <b>does not</b> answer")

    page.store.read = away
    assert page.parts.risers.found().trouble == "redis: Redis <b>does not</b> answer"
    assert "&lt;b&gt;" in page.client.get("/lists/risers").text
