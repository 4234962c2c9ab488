"""A log that lost entries gets them back, once, and nothing that it has already."""

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason, StartupError, TransientError
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory, curve_of
from broker.lightcurves.rebuild import rebuild
from broker.lightcurves.store import HISTORY, Arrival, InMemoryLightCurves, entries
from model.classifier import Outcome
from model.observation import Alert, Context, Observation

DIGEST = "d" * 64


def alert(number, mjd, history=()):
    return Alert(number, "object", "test", Observation(mjd, float(number), 1.0, 2, True), Context(), history)


def message(offset, partition=0):
    return Message("alerts", partition, offset, 0, value=b"%d" % offset)


def remembered(store, *arrivals):
    memory = Memory(store, DIGEST)
    (share,) = memory.remember(arrivals)
    memory.save([share], [[Outcome([], b"state")] * len(share.runs)])
    return share


def rebuilt(store, *arrivals, batch=2):
    alerts = {(a.message.partition, a.message.offset): a.alert for a in arrivals}
    messages = [a.message for a in arrivals]
    batches = [messages[i : i + batch] for i in range(0, len(messages), batch)]
    return rebuild(batches, lambda m: alerts[m.partition, m.offset], store)


def lost(store, *keep):
    """A store that has only some of the entries."""
    store.logs = {key: [log[i] for i in keep] for key, log in store.logs.items()}
    return store


ARRIVALS = [Arrival(message(i), alert(i, 100.0 + i)) for i in range(1, 6)]


@pytest.mark.parametrize("keep", [(), (0, 1), (3, 4), (2,), (0, 1, 2, 3, 4)])
def test_whatever_was_lost_the_next_alert_sees_what_it_would_have_seen(keep):
    whole, store = InMemoryLightCurves(), InMemoryLightCurves()
    for one in ARRIVALS:
        remembered(whole, one)
        remembered(store, one)
    done = rebuilt(lost(store, *keep), *ARRIVALS)
    assert (done.alerts, done.added, done.already_there) == (5, 5 - len(keep), len(keep))
    assert done.begun == (not keep)
    for made in (whole, store):
        assert (
            curve_of(entries(made.logs["test/object"])).tobytes()
            == curve_of(entries(whole.logs["test/object"])).tobytes()
        )
    late = Arrival(message(9), alert(9, 103.5))
    expected, got = remembered(whole, late), remembered(store, late)
    assert got.answers[0].observations == expected.answers[0].observations == 6
    assert got.runs[-1].observations.tobytes() == expected.runs[-1].observations.tobytes()


def test_a_second_time_adds_nothing():
    store = InMemoryLightCurves()
    assert rebuilt(store, *ARRIVALS).added == 5
    assert rebuilt(store, *ARRIVALS).added == 0
    assert len(store.logs["test/object"]) == 5


def test_an_alert_that_came_before_is_a_duplicate_afterwards_and_a_redelivery_is_none():
    store = InMemoryLightCurves()
    rebuilt(store, *ARRIVALS)
    assert remembered(store, Arrival(message(77, partition=3), ARRIVALS[2].alert)).answers == [None]
    assert remembered(store, ARRIVALS[2]).answers[0].observations == 3


def test_a_duplicate_is_appended_as_it_was_and_stays_one():
    first, again = Arrival(message(1), alert(1, 100.0)), Arrival(message(2), alert(1, 100.0))
    store = InMemoryLightCurves()
    rebuilt(store, first, again)
    assert [int(one["offset"]) for one in entries(store.logs["test/object"])] == [1, 2]
    assert remembered(store, again).answers == [None]
    assert remembered(store, first).answers[0] is not None


def test_history_is_rebuilt_as_the_service_writes_it():
    history = tuple(Observation(90.0 + i, 5.0, 1.0, 1, False) for i in range(3))
    arrivals = [Arrival(message(1), alert(1, 100.0, history[:2])), Arrival(message(2), alert(2, 101.0, history))]
    served, store = InMemoryLightCurves(), InMemoryLightCurves()
    for one in arrivals:
        remembered(served, one)
    assert rebuilt(store, *arrivals, batch=1).added == 5

    def without_stamps(made):
        log = entries(made.logs["test/object"]).copy()
        log["stamp"] = 0
        return log

    assert without_stamps(store).tobytes() == without_stamps(served).tobytes()
    assert np.count_nonzero(without_stamps(store)["flags"] & HISTORY) == 3


def test_what_cannot_be_read_is_counted_and_passed_over():
    def read_alert(one):
        if one.offset == 2:
            raise PoisonMessage(Reason.NOT_AVRO, "no Avro")
        return alert(one.offset, 100.0 + one.offset)

    store = InMemoryLightCurves()
    done = rebuild([[message(1), message(2)], [message(3)]], read_alert, store)
    assert (done.alerts, done.unreadable, done.added) == (2, 1, 2)


class Away(InMemoryLightCurves):
    """Does not answer for so many calls."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def append(self, entries):
        self.calls -= 1
        if self.calls >= 0:
            raise TransientError("redis", "away")
        return super().append(entries)


def test_a_store_that_comes_back_gets_everything_and_one_that_stays_away_is_said():
    alerts = {1: alert(1, 100.0)}
    back = Away(2)
    assert rebuild([[message(1)]], lambda m: alerts[m.offset], back, pauses_s=(0, 0)).added == 1
    with pytest.raises(StartupError, match="redis: away; look whether Redis is well"):
        rebuild([[message(1)]], lambda m: alerts[m.offset], Away(3), pauses_s=(0, 0))
