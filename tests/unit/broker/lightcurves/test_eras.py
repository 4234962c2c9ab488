"""A model that comes back to work: what others did to the logs meanwhile."""

import pytest

from broker.lightcurves.store import InMemoryLightCurves
from tests.unit.broker.lightcurves.test_memory import arrival, remember, stepped


@pytest.mark.parametrize("era", [0, 1])
def test_a_model_that_is_put_to_work_again_believes_no_state_whose_log_was_lost_meanwhile(era):
    store, others = InMemoryLightCurves(), InMemoryLightCurves()
    others.logs = store.logs
    for number in (1, 2, 3):
        remember(store, arrival(number, float(number)))
    store.logs.clear()
    for number in (4, 5, 6):  # another model, which has no state that could tell
        remember(others, arrival(number, float(number)), digest="b")
    plan = remember(store, arrival(7, 7.0), era=era)
    assert stepped(plan) == (era == 0)  # the log is as long as it was; its last entry is another
    assert plan.observations.tolist() == [4]
    if era:
        assert plan.runs.rows["mjd_tai"].tolist() == [4.0, 5.0, 6.0, 7.0]
    assert stepped(remember(store, arrival(8, 8.0), era=era))


def test_a_state_of_another_era_whose_log_ends_as_it_knows_is_stepped_on():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0))
    assert stepped(remember(store, arrival(2, 2.0), era=1))
