import pytest

from broker.errors import TransientError
from broker.lightcurves.store import InMemoryLightCurves
from broker.web.lightcurve import LightCurves
from broker.web.reach import Reach
from tests.support.service import eventually


@pytest.fixture
def store():
    return InMemoryLightCurves()


def away():
    raise TransientError("redis", "away")


def test_a_store_that_is_away_is_a_trouble_until_it_answers_again(store):
    reach = Reach(LightCurves(store))
    reach.ask()
    assert reach.trouble == ""
    answers, store.ping = store.ping, away
    reach.ask()
    assert reach.trouble == "no light curves: redis: away"
    store.ping = answers
    reach.ask()
    assert reach.trouble == ""


def test_it_asks_again_and_again_until_it_is_stopped(store):
    asked = []
    store.ping = lambda: asked.append(1)
    reach = Reach(LightCurves(store), every_s=0.001)
    reach.start()
    eventually(lambda: len(asked) > 2)
    reach.stop()
    reach._thread.join(60)
    assert not reach._thread.is_alive()
