"""One plan of what fits and what was read: which verdict answers which alert, and what is remembered."""

import numpy as np
import pytest

from broker.kafka.message import Message
from broker.lightcurves.effort import MOST_STEPS, TooMuchError, check_work
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import ASIDE, DUPLICATE
from broker.lightcurves.states import Shelf
from broker.lightcurves.store import InMemoryLightCurves
from model.observation import Observation
from tests.support.columns import Alert, Arrival, columns_of
from tests.support.echo import Echo, answers_of, expected

ECHO = Echo()


def arrivals(*told, first=0, partition=0):
    """Alerts, each (object, number, mjd)."""
    return [
        Arrival(
            Message("alerts", partition, first + i, 0),
            Alert(number, name, "test", Observation(float(mjd), float(number), 1.0, 2, True)),
        )
        for i, (name, number, mjd) in enumerate(told)
    ]


@pytest.fixture
def store():
    return InMemoryLightCurves()


@pytest.fixture
def memory(store):
    return Memory(store, ECHO.fingerprint, ECHO.start_state)


def take(memory, some):
    plan = memory.remember(*columns_of(some))
    verdicts, bodies = ECHO.classify(plan.runs)
    memory.save(memory.states_of(plan, bodies), plan)
    return plan, verdicts


BEFORE = arrivals(("a", 1, 5), ("b", 1, 5), ("c", 1, 5))
MIXED = arrivals(
    ("a", 2, 6), ("b", 2, 4), ("new", 1, 9), ("c", 2, 6), ("a", 3, 7), ("b", 3, 8), ("c", 1, 5), ("a", 3, 7), first=100
)  # a late one of b, a duplicate of c, and one of a in the same batch


def test_each_alert_has_its_own_verdict_whichever_path_it_took(memory):
    take(memory, BEFORE)
    plan, verdicts = take(memory, MIXED)
    wanted = expected([*BEFORE, *MIXED])
    assert answers_of(verdicts, plan, MIXED) == {one.place: wanted[one.place] for one in MIXED}
    assert (plan.verdicts == DUPLICATE).tolist() == [False] * 6 + [True, True]
    assert plan.observations[plan.verdicts >= 0].tolist() == [2, 2, 1, 2, 3, 3]
    assert (plan.stepped, plan.recalled) == (1, 3)


def test_every_object_with_a_new_verdict_is_remembered_with_the_state_after_its_last_run(memory, store):
    take(memory, BEFORE)
    plan, _ = take(memory, MIXED)
    assert sorted(plan.keys) == [b"test/a", b"test/b", b"test/c", b"test/new"]
    keys = plan.keys
    shelf = Shelf(ECHO.fingerprint, store.identity, ECHO.start_state)
    states = shelf.read([store.saved[key] for key in keys], salts(keys))
    assert states.there.all()
    found = dict(zip(keys, states.headers["observations"].tolist(), strict=True))
    assert found == {b"test/a": 3, b"test/b": 3, b"test/c": 2, b"test/new": 1}


@pytest.mark.parametrize("wrong", range(6))
def test_a_verdict_that_is_set_aside_takes_the_state_of_its_run_with_it(memory, wrong):
    take(memory, BEFORE)
    plan = memory.remember(*columns_of(MIXED))
    _, bodies = ECHO.classify(plan.runs)
    whole = dict(memory.states_of(plan, bodies))
    readouts = np.arange(len(plan.runs.readouts)) == plan.verdicts[wrong]
    plan.set_aside(readouts, "why")
    assert plan.aside == {wrong: "why"}
    assert np.flatnonzero(plan.verdicts == ASIDE).tolist() == [wrong]
    left = dict(memory.states_of(plan, bodies))
    gone = whole.keys() - left.keys()
    assert gone <= {MIXED[wrong].alert.key}
    assert all(whole[key] == state for key, state in left.items())


def test_the_state_of_an_object_with_history_goes_alone(memory):
    history = tuple(Observation(float(i), 1.0, 1.0, 2, True) for i in range(1, 4))
    some = [
        Arrival(
            Message("alerts", 0, i, 0), Alert(1, name, "test", Observation(9.0, 1.0, 1.0, 2, True), history=history)
        )
        for i, name in enumerate("abc")
    ]
    plan = memory.remember(*columns_of(some))
    _, bodies = ECHO.classify(plan.runs)
    whole = dict(memory.states_of(plan, bodies))
    plan.set_aside(np.array([False, True, False]), "why")
    left = dict(memory.states_of(plan, bodies))
    assert left == {key: state for key, state in whole.items() if key != b"test/b"}


def test_a_verdict_that_was_wrong_in_all_runs_leaves_nothing_to_remember(memory):
    plan = memory.remember(*columns_of(BEFORE))
    _, bodies = ECHO.classify(plan.runs)
    plan.set_aside(np.ones(3, bool), "why")
    assert (plan.verdicts == ASIDE).all()
    assert memory.states_of(plan, bodies) == []


def test_work_that_is_too_much_says_how_many_alerts_are_not():
    check_work(np.full(10, MOST_STEPS // 10))
    check_work(np.array([10 * MOST_STEPS]))  # one alert is always worked on
    for cost, wanted in (
        (np.full(11, MOST_STEPS // 10), 10),
        (np.array([10 * MOST_STEPS, 1]), 1),
        (np.array([1, 10 * MOST_STEPS]), 1),
    ):
        with pytest.raises(TooMuchError) as caught:
            check_work(cost)
        assert caught.value.alerts == wanted
