"""A log that lost entries gets them back, once, and nothing that it has already."""

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason, StartupError, TransientError
from broker.kafka.message import Message
from broker.lightcurves.entries import HISTORY, observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import DUPLICATE
from broker.lightcurves.rebuild import ALL, NONE, rebuild
from broker.lightcurves.recall import curve_of
from broker.lightcurves.store import InMemoryLightCurves, Refused
from broker.packets.decoded import Decoded, Packets
from model.observation import Context, Observation
from tests.support.columns import Alert, Arrival, alerts_of, columns_of
from tests.support.echo import Echo

KEY = b"test/object"
PLACE = ("alerts", 0)
ASIDE = {PLACE: np.array([2, 5]), ("alerts", 1): np.array([3])}


def alert(number, mjd, history=()):
    return Alert(number, "object", "test", Observation(mjd, float(number), 1.0, 2, True), Context(), history)


def message(offset, partition=0):
    return Message("alerts", partition, offset, 0, value=b"%d" % offset)


def remembered(store, *arrivals):
    classifier = Echo()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    plan = memory.remember(*columns_of(arrivals, again=True))
    verdicts, bodies = classifier.classify(plan.runs)
    memory.save(memory.states_of(plan, bodies), plan)
    return plan, verdicts


def reader(arrivals, poisons=()):
    """Decode and adapt: what stands at each place; messages at the offsets in `poisons` are none."""
    known = {a.place: a for a in arrivals}

    def read_alerts(batch):
        places = [(batch.places[p][1], o) for p, o in zip(batch.place.tolist(), batch.offsets.tolist(), strict=True)]
        good = [i for i, (_, offset) in enumerate(places) if offset not in poisons]
        alerts = alerts_of([known[places[i]] for i in good])
        alerts.message[:] = good
        wrong = {i: PoisonMessage(Reason.NOT_AVRO, "no Avro") for i in range(len(batch)) if i not in good}
        packets = Packets([], [], np.full(len(batch), -1), [b""] * len(batch))
        return Decoded(alerts, np.empty(0, np.int64), wrong, packets)

    return read_alerts


def rebuilt(store, *arrivals, batch=2, poisons=(), pauses_s=(), aside=NONE, ends=ALL):
    messages = [a.message for a in arrivals]
    batches = [messages[i : i + batch] for i in range(0, len(messages), batch)]
    return rebuild(batches, reader(arrivals, poisons), store, pauses_s=pauses_s, aside=aside, ends=ends)


def entries(store):
    made, good = parse(store.logs[KEY], int(salts([KEY])[0]))
    assert good.all()
    return made


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
    curves = [curve_of(observations(entries(made))) for made in (whole, store)]
    assert np.array_equal(*curves)
    late = Arrival(message(9), alert(9, 103.5))
    (expected, said), (got, says) = remembered(whole, late), remembered(store, late)
    assert got.observations.tolist() == expected.observations.tolist() == [6]
    assert np.array_equal(says.probabilities, said.probabilities)


def test_a_second_time_adds_nothing():
    store = InMemoryLightCurves()
    assert rebuilt(store, *ARRIVALS).added == 5
    assert rebuilt(store, *ARRIVALS).added == 0
    assert len(store.logs[KEY]) == 5


def test_an_alert_that_came_before_is_a_duplicate_afterwards_and_a_redelivery_is_none():
    store = InMemoryLightCurves()
    rebuilt(store, *ARRIVALS)
    plan, _ = remembered(store, Arrival(message(77, partition=3), ARRIVALS[2].alert))
    assert plan.verdicts.tolist() == [DUPLICATE]
    plan, _ = remembered(store, ARRIVALS[2])
    assert (plan.verdicts.tolist(), plan.observations.tolist()) == ([0], [3])


@pytest.mark.parametrize("batch", [1, 2])
def test_a_duplicate_leaves_nothing_behind_and_stays_one(batch):
    first, again = Arrival(message(1), alert(1, 100.0)), Arrival(message(2), alert(1, 100.0))
    store = InMemoryLightCurves()
    rebuilt(store, first, again, batch=batch)
    assert entries(store)["offset"].tolist() == [1]
    assert remembered(store, again)[0].verdicts.tolist() == [DUPLICATE]
    assert remembered(store, first)[0].verdicts.tolist() == [0]


def test_what_comes_later_and_is_there_already_stays_behind_what_is_added():
    store = InMemoryLightCurves()
    remembered(store, ARRIVALS[4])
    done = rebuilt(store, *ARRIVALS[:2])
    assert done.added == 2
    assert entries(store)["offset"].tolist() == [1, 2, 5]
    assert remembered(store, ARRIVALS[4])[0].observations.tolist() == [3]


def test_history_is_rebuilt_as_the_service_writes_it():
    history = tuple(Observation(90.0 + i, 5.0, 1.0, 1, False) for i in range(3))
    arrivals = [Arrival(message(1), alert(1, 100.0, history[:2])), Arrival(message(2), alert(2, 101.0, history))]
    served, store = InMemoryLightCurves(), InMemoryLightCurves()
    for one in arrivals:
        remembered(served, one)
    assert rebuilt(store, *arrivals, batch=1).added == 5
    assert store.logs == served.logs
    assert np.count_nonzero(entries(store)["flags"] & HISTORY) == 3


def test_what_cannot_be_read_is_counted_and_passed_over():
    store = InMemoryLightCurves()
    done = rebuilt(store, *ARRIVALS[:3], poisons={2})
    assert (done.alerts, done.unreadable, done.added) == (2, 1, 2)
    assert entries(store)["offset"].tolist() == [1, 3]


def test_a_batch_without_an_alert_is_passed_over():
    done = rebuilt(InMemoryLightCurves(), *ARRIVALS[:2], poisons={1, 2})
    assert (done.alerts, done.unreadable, done.added) == (0, 2, 0)


def test_an_object_that_redis_refuses_is_counted_and_passed_over():
    class Refusing(InMemoryLightCurves):
        def read(self, keys, most, *, forget=False):
            found = super().read(keys, most, forget=forget)
            return [Refused(k, "no") if k == KEY else log for k, log in zip(keys, found, strict=True)]

    other = Alert(9, "other", "test", Observation(1.0, 1.0, 1.0, 2, True))
    store = Refusing()
    done = rebuilt(store, ARRIVALS[0], Arrival(message(9), other))
    assert (done.refused, done.added) == (1, 1)
    assert set(store.logs) == {b"test/other"}


class Away(InMemoryLightCurves):
    """Does not answer for so many calls."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def append(self, entries, refresh):
        self.calls -= 1
        if self.calls >= 0:
            raise TransientError("redis", "away")
        return super().append(entries, refresh)


def test_a_store_that_comes_back_gets_everything_and_one_that_stays_away_is_said():
    back = Away(2)
    assert rebuilt(back, ARRIVALS[0], pauses_s=(0, 0)).added == 1
    with pytest.raises(StartupError, match="redis: away; look whether it is well"):
        rebuilt(Away(3), ARRIVALS[0], pauses_s=(0, 0))


def test_an_alert_that_was_set_aside_is_left_out_and_is_no_duplicate_when_it_comes_again():
    store = InMemoryLightCurves()
    done = rebuilt(store, *ARRIVALS, aside=ASIDE)
    assert (done.alerts, done.added) == (3, 3)
    assert entries(store)["offset"].tolist() == [1, 3, 4]
    plan, _ = remembered(store, Arrival(message(9), ARRIVALS[1].alert), Arrival(message(10), ARRIVALS[0].alert))
    assert plan.verdicts[0] >= 0
    assert plan.observations[0] == 4
    assert plan.verdicts[1] == DUPLICATE


def test_an_alert_sent_again_that_a_worker_wrote_into_the_emptied_store_is_not_taken_for_the_first():
    store, again = InMemoryLightCurves(), Arrival(message(9), ARRIVALS[1].alert)
    remembered(store, again)  # it saw the loss then, and has committed nothing
    done = rebuilt(store, *ARRIVALS, ends={PLACE: 6})
    assert (done.added, done.already_there) == (5, 0)
    assert sorted(entries(store)["offset"].tolist()) == [1, 2, 3, 4, 5, 9]
    assert entries(store)["offset"][-1] == 9
    assert rebuilt(store, *ARRIVALS, ends={PLACE: 6}).added == 0
    plan, _ = remembered(store, again)
    assert plan.verdicts.tolist() == [DUPLICATE]
    unmended = InMemoryLightCurves()
    remembered(unmended, again)
    assert rebuilt(unmended, *ARRIVALS).added == 4, "where it is committed, the others alone are lacking"


def test_a_duplicate_is_left_out_and_the_alert_that_it_repeats_may_still_come():
    store, repeat = InMemoryLightCurves(), Arrival(message(3, partition=1), ARRIVALS[1].alert)
    rebuilt(store, ARRIVALS[0], repeat, aside=ASIDE)
    plan, _ = remembered(store, ARRIVALS[1])
    assert plan.verdicts[0] >= 0


@pytest.mark.parametrize("aside", [{PLACE: np.array([1])}, {PLACE: np.array([9])}])
def test_where_an_alert_was_set_aside_the_others_keep_their_histories(aside):
    history = Observation(90.0, 3.0, 0.5, 2, False), Observation(91.0, 3.0, 0.5, 1, True)
    told = Arrival(message(1), alert(1, 100.0)), Arrival(message(2), alert(2, 101.0, history))
    store = InMemoryLightCurves()
    rebuilt(store, *told, aside=aside)
    of_the_second = entries(store)[entries(store)["offset"] == 2]
    assert of_the_second["mjd_tai"].tolist() == [90.0, 91.0, 101.0]


def test_a_registry_that_is_away_is_waited_for():
    read, left = reader(ARRIVALS), [2]

    def read_alerts(batch):
        if left[0]:
            left[0] -= 1
            raise TransientError("registry", "away")
        return read(batch)

    batches = [[one.message for one in ARRIVALS[:2]]]
    assert rebuild(batches, read_alerts, InMemoryLightCurves(), pauses_s=(0.0, 0.0)).added == 2
    left[0] = 4
    with pytest.raises(StartupError, match=r"^registry: away; look whether it is well, then rebuild once more$"):
        rebuild(batches, read_alerts, InMemoryLightCurves(), pauses_s=(0.0, 0.0))
