import pytest

from tests.support.webpage import site


@pytest.fixture
def page(tmp_path):
    with site(tmp_path) as made:
        yield made


def test_what_programs_may_ask_is_described_and_read_only(page):
    paths = page.client.get("/openapi.json").json()["paths"]
    assert {"/alerts", "/api/objects", "/api/cone", "/api/anomalies"} <= set(paths)
    assert {method for some in paths.values() for method in some} == {"get"}
    text = page.client.get("/docs").text
    assert all(path in text for path in paths)


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_can_be_written(page, method):
    assert getattr(page.client, method)("/api/objects").status_code == 405


@pytest.mark.parametrize("path", ["/", "/search", "/lists/newest", "/lists/anomalies", "/lists/risers", "/docs"])
def test_each_page_is_there_while_there_is_nothing_to_show(page, path):
    assert page.client.get(path).status_code == 200


def test_what_a_page_loads_comes_with_it(page):
    for name in ("page.css", "live.js", "object.js", "lists.js", "icon.svg", "uplot/uPlot.iife.min.js"):
        assert page.client.get(f"/static/{name}").status_code == 200
