"""Of which objects the rows that were seen are kept: those whose alerts bring their history, or may do so yet."""

from itertools import count

import pytest

from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.states import Shelf
from broker.lightcurves.store import InMemoryLightCurves
from model.observation import Context, Observation
from tests.support.columns import Alert, Arrival, columns_of
from tests.support.echo import Echo

OFFSETS = count()
FIRST = Observation(1.0, 10.0, 1.0, 2, True)


def arrival(number, *history):
    observation = Observation(float(number), 10.0 * number, 1.0, 2, True)
    alert = Alert(number, "object", "test", observation, Context(), history)
    return Arrival(Message("alerts", 0, next(OFFSETS), 0), alert)


def stepped(store, *arrivals):
    """Whether the alerts of the one object were a run from its state; else its log was read."""
    echo = Echo()
    memory = Memory(store, echo.fingerprint, echo.start_state)
    plan = memory.remember(*columns_of(arrivals))
    memory.save(memory.states_of(plan, echo.classify(plan.runs)[1]), plan)
    assert plan.stepped + plan.recalled == 1
    return plan.stepped == 1


def test_the_second_alert_of_an_object_may_be_the_first_with_a_history_and_is_a_step():
    store = InMemoryLightCurves()
    assert stepped(store, arrival(1))
    assert stepped(store, arrival(2, FIRST))
    assert stepped(store, arrival(3, FIRST))


def test_an_object_whose_alerts_begin_later_to_bring_history_is_read_once():
    store = InMemoryLightCurves()
    assert stepped(store, arrival(1))
    assert stepped(store, arrival(2))
    assert not stepped(store, arrival(3, FIRST))
    assert stepped(store, arrival(4, FIRST))


@pytest.mark.parametrize("at_once", [True, False])
def test_of_an_object_whose_alerts_bring_no_history_no_rows_are_kept(at_once):
    store, alerts = InMemoryLightCurves(), [arrival(1), arrival(2)]
    for some in [alerts] if at_once else [[one] for one in alerts]:
        stepped(store, *some)
    (state,) = store.saved.values()
    assert len(state) == Shelf(bytes(8), bytes(8), Echo.start_state).size
