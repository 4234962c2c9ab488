"""A browser, and a service with its page, which the tests of a module share."""

import pytest

from tests.support.browser import Watched, browser
from tests.support.night import night_of


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def night(kafka, redis_url, tmp_path_factory):
    with night_of(kafka, redis_url, tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.fixture
def watched(chromium, night):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    made = Watched(page, night.home)
    yield made
    page.close()
