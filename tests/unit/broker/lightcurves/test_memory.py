"""Law 3 by example: when a stored state is used, and when the whole curve is read."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import ASIDE, DUPLICATE, Plan
from broker.lightcurves.store import InMemoryLightCurves, Refused
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.observation import Context, LightCurve, Observation
from tests.support.columns import Alert, Arrival, columns_of
from tests.support.echo import Echo

OFFSETS = count()
KEY = b"test/object"
START = Echo().start_state
NOW_S = 1_000_000.0


def arrival(number, mjd, flux=5.0, context=None, history=(), name="object") -> Arrival:
    observation = Observation(mjd, flux, 1.0, 2, True)
    alert = Alert(number, name, "test", observation, context or Context(), tuple(history))
    return Arrival(Message("alerts", 0, next(OFFSETS), 0), alert)


def remember(store, *arrivals, save=True, digest="a", again=False, classifier=None, **options) -> Plan:
    classifier = classifier or Echo(digest)
    memory = Memory(store, classifier.fingerprint, classifier.start_state, **options)
    plan = memory.remember(*columns_of(arrivals, again))
    _, bodies = classifier.classify(plan.runs)
    if save:
        memory.save(memory.states_of(plan, bodies), plan)
    return plan


def stepped(plan) -> bool:
    """Whether the one object was one step; else it was read."""
    assert plan.stepped + plan.recalled == 1
    return plan.stepped == 1


def begins_anew(plan) -> bool:
    return np.array_equal(plan.runs.states[0], START)


def curve(*fluxes) -> bytes:
    rows = [Observation(float(i + 1), flux, 1.0, 2, True) for i, flux in enumerate(fluxes)]
    return LightCurve.of(rows).observations.tobytes()


def test_a_new_object_and_then_one_step():
    store = InMemoryLightCurves()
    first = remember(store, arrival(1, 1.0))
    second = remember(store, arrival(2, 2.0))
    assert (stepped(first), begins_anew(first)) == (True, True)
    assert (stepped(second), begins_anew(second), len(second.runs.rows)) == (True, False, 1)
    assert second.observations.tolist() == [2]


def test_several_alerts_of_an_object_are_one_run():
    plan = remember(InMemoryLightCurves(), *(arrival(i, float(i)) for i in range(1, 5)))
    assert stepped(plan)
    assert (plan.runs.ends.tolist(), plan.runs.readouts.tolist()) == ([4], [0, 1, 2, 3])
    assert (plan.verdicts.tolist(), plan.observations.tolist()) == ([0, 1, 2, 3], [1, 2, 3, 4])


def test_a_late_observation_recomputes_the_curve_in_time_order():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 10.0))
    remember(store, arrival(3, 3.0, 30.0))
    late = remember(store, arrival(2, 2.0, 20.0))
    assert (stepped(late), begins_anew(late)) == (False, True)
    assert late.runs.rows.tobytes() == curve(10, 20, 30)
    assert stepped(remember(store, arrival(4, 4.0))), "afterwards the state fits again"


def test_a_new_model_recomputes():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0))
    plan = remember(store, arrival(2, 2.0), digest="b")
    assert (stepped(plan), begins_anew(plan), len(plan.runs.rows)) == (False, True, 2)
    assert stepped(remember(store, arrival(3, 3.0), digest="b"))


def test_a_new_photoz_recomputes():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, context=Context(host_photoz=0.1)))
    plan = remember(store, arrival(2, 2.0, context=Context(host_photoz=0.2)))
    assert (stepped(plan), begins_anew(plan), len(plan.runs.rows)) == (False, True, 2)
    assert stepped(remember(store, arrival(3, 3.0, context=Context(host_photoz=0.2))))


def test_within_a_batch_each_alert_is_classified_with_its_own_context():
    plan = remember(
        InMemoryLightCurves(),
        arrival(1, 1.0, context=Context(host_photoz=0.1)),
        arrival(2, 2.0, context=Context(host_photoz=0.2)),
    )
    assert plan.runs.ends.tolist() == [1, 3]
    assert plan.runs.contexts["host_photoz"].tolist() == pytest.approx([0.1, 0.2])


def test_a_state_that_was_lost_is_computed_again_and_fits_afterwards():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0))
    store.saved.clear()
    plan = remember(store, arrival(3, 3.0, 30.0))
    assert (stepped(plan), plan.runs.rows.tobytes()) == (False, curve(10, 20, 30))
    assert stepped(remember(store, arrival(4, 4.0)))


def test_a_state_whose_log_was_lost_and_grew_to_the_same_length_is_not_believed():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 11.0), arrival(2, 2.0, 22.0))
    store.logs.clear()
    remember(store, arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0), save=False)
    plan = remember(store, arrival(3, 3.0, 30.0))
    assert not stepped(plan)
    assert plan.runs.rows.tobytes() == curve(10, 20, 30)


def test_what_another_worker_wrote_meanwhile_is_seen():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 10.0))
    remember(store, arrival(2, 2.0, 20.0), save=False)  # its state is not there yet
    plan = remember(store, arrival(3, 3.0, 30.0))
    assert not stepped(plan)
    assert plan.observations.tolist() == [3]
    assert not begins_anew(plan), "the state still serves"
    assert plan.runs.rows["flux_njy"].tolist() == [20.0, 30.0]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("says", [{}, {"flux_njy": 500.0, "flux_err_njy": 0.1}, {"detected": False}])
def test_the_same_alert_at_another_offset_is_a_duplicate_and_leaves_nothing_behind(again, says):
    """Whatever else it says of the same time and band: though its error is smaller, the curve does not change."""
    store = InMemoryLightCurves()
    first = arrival(1, 1.0)
    remember(store, first)
    before = (dict(store.saved), [*store.logs[KEY]])
    other = replace(first.alert, observation=first.alert.observation._replace(**says))
    plan = remember(store, Arrival(Message("alerts", 3, 77, 0), other), again=again)
    assert plan.verdicts.tolist() == [DUPLICATE]
    assert len(plan.runs.rows) == 0
    assert (store.saved, store.logs[KEY]) == before
    assert stepped(remember(store, arrival(2, 2.0))), "nor does it cost the next alert anything"


def test_the_same_alert_twice_in_a_batch_is_a_duplicate():
    first = arrival(1, 1.0)
    store = InMemoryLightCurves()
    plan = remember(store, first, Arrival(Message("alerts", 3, 77, 0), first.alert))
    assert plan.verdicts.tolist() == [0, DUPLICATE]
    assert len(store.logs[KEY]) == 1


def test_the_same_offset_again_is_answered_as_before():
    store = InMemoryLightCurves()
    first, second = arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0)
    remember(store, first, second)
    plan = remember(store, first, again=True)
    assert plan.observations.tolist() == [1]
    assert plan.runs.rows.tobytes() == curve(10)
    assert len(store.logs[KEY]) == 2


def test_history_joins_the_curve_once():
    store = InMemoryLightCurves()
    history = (Observation(1.0, 10.0, 1.0, 2, True), Observation(2.0, 20.0, 1.0, 2, True))
    plan = remember(store, arrival(3, 3.0, 30.0, history=history))
    assert plan.runs.rows.tobytes() == curve(10, 20, 30)
    more = remember(store, arrival(4, 4.0, 40.0, history=(*history, Observation(3.0, 30.0, 1.0, 2, True))))
    assert (stepped(more), len(more.runs.rows)) == (True, 1)
    assert len(store.logs[KEY]) == 4


def test_the_history_of_a_duplicate_is_not_taken_for_known():
    """A state that knew it, though the log has it not, would keep it out of the light curve for ever."""
    store = InMemoryLightCurves()
    past = (Observation(0.5, 7.0, 1.0, 1, False),)
    first = arrival(1, 1.0)
    other = Arrival(Message("alerts", 3, 77, 0), replace(first.alert, history=past))
    assert remember(store, first, other).verdicts.tolist() == [0, DUPLICATE]
    remember(store, arrival(2, 2.0, history=past))
    assert remember(store, arrival(3, 3.0, history=past)).observations.tolist() == [4]


def test_what_is_planned_of_a_part_of_the_log_knows_that_part_alone():
    """Two alerts read again in another order: the state is of the first entry, and knows nothing of the second."""
    store = InMemoryLightCurves()
    first, second = arrival(1, 1.0), arrival(2, 2.0, history=(Observation(0.5, 7.0, 1.0, 1, False),))
    remember(store, first, save=False)
    remember(store, second, save=False)
    plan = remember(store, second, first, again=True)
    assert plan.headers["entries"].tolist() == [1]
    assert len(plan.tails) == 2, "a row, and that there was a detection"


def test_who_asks_how_long_a_log_is_does_not_begin_one():
    store = InMemoryLightCurves()
    assert store.append([(KEY, ())], [False]) == [0]
    assert store.logs == {}


class Refusing(InMemoryLightCurves):
    """Refuses one object, in one command."""

    def __init__(self, command):
        super().__init__()
        self.command = command

    def refused(self, command, keys, answers):
        return [
            Refused(key, f"no {command}") if (command, key) == (self.command, KEY) else answer
            for key, answer in zip(keys, answers, strict=True)
        ]

    def states(self, keys):
        return self.refused("states", keys, super().states(keys))

    def append(self, entries, refresh):
        return self.refused("append", [key for key, _ in entries], super().append(entries, refresh))

    def read(self, keys, most, *, forget=False):
        return self.refused("read", keys, super().read(keys, most, forget=forget))


@pytest.mark.parametrize("command", ["states", "append", "read"])
def test_an_object_that_the_store_refuses_is_set_aside_and_the_others_go_on(command):
    store = Refusing("")
    remember(store, arrival(1, 2.0), arrival(2, 2.0, name="other"))
    store.command = command
    mjd = 1.0 if command == "read" else 3.0  # a late one is read
    plan = remember(store, arrival(3, mjd), arrival(4, mjd, name="other"), arrival(5, mjd, name="new"))
    assert plan.aside == {0: f"no {command}"}
    assert plan.verdicts[0] == ASIDE
    assert plan.observations[1:].tolist() == [2, 1]
    assert sorted(plan.keys) == [b"test/new", b"test/other"]
    store.command = ""
    assert remember(store, arrival(6, 9.0)).verdicts.tolist() == [0], "it goes on once it is not refused any more"


def test_an_object_that_is_refused_while_a_log_is_completed_is_set_aside():
    store = Refusing("append")
    plan = remember(store, arrival(1, 2.0), arrival(2, 1.0), arrival(3, 1.0, name="other"))
    assert plan.aside == {0: "no append", 1: "no append"}
    assert plan.verdicts.tolist() == [ASIDE, ASIDE, 0]


def test_damaged_entries_are_left_out_and_counted():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0), arrival(3, 3.0, 30.0))
    one = store.logs[KEY][1]
    store.logs[KEY][1] = bytes([one[0] ^ 1]) + one[1:]
    store.logs[KEY].append(b"any")
    plan = remember(store, arrival(4, 4.0, 40.0))
    assert (stepped(plan), plan.unreadable, plan.observations.tolist()) == (False, 2, [3])
    assert plan.runs.rows["flux_njy"].tolist()[-1] == 40.0


def test_only_the_newest_entries_of_a_long_log_are_read():
    store = InMemoryLightCurves()
    remember(store, *(arrival(i, 10.0 + i) for i in range(1, 31)))
    plan = remember(store, arrival(99, 1.0), most_observations=10)
    assert plan.observations.tolist() == [10]


def test_a_log_that_is_mostly_repeats_is_rewritten_and_answers_as_before():
    store = InMemoryLightCurves()
    first = [arrival(i, float(i), 10.0 * i) for i in range(1, 4)]
    for _ in range(3):
        remember(store, *first, again=True)
    assert len(store.logs[KEY]) == 3
    kept = [*store.logs[KEY]]
    store.logs[KEY] = kept * 30
    store.saved.clear()
    plan = remember(store, arrival(4, 4.0, 40.0))
    assert (plan.observations.tolist(), plan.runs.rows.tobytes()) == ([4], curve(10, 20, 30, 40))
    assert store.logs[KEY][:3] == kept
    assert len(store.logs[KEY]) == 4
    assert remember(store, arrival(5, 0.5, 5.0)).observations.tolist() == [5]
    assert stepped(remember(store, arrival(6, 6.0)))
    assert remember(store, *first, again=True).observations.tolist() == [1, 2, 3], "redeliveries too"


def test_the_expiry_of_a_log_is_put_off_now_and_then():
    asked = []

    class Noting(InMemoryLightCurves):
        def append(self, entries, refresh):
            if any(new for _, new in entries):
                asked.append(refresh)
            return super().append(entries, refresh)

    store = Noting()
    now_s = [NOW_S]
    for i, pause_s in enumerate([0.0, 100.0, 100.0, 1000.0, 100.0], 1):
        now_s[0] += pause_s
        remember(store, arrival(i, float(i)), curve_ttl_s=4000.0, clock=lambda: now_s[0])
    assert asked == [[True], [False], [False], [True], [False]]


def test_while_a_batch_is_being_committed_its_states_are_those_that_are_seen():
    store, classifier = InMemoryLightCurves(), Echo()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    plan = memory.remember(*columns_of([arrival(1, 1.0)]))
    memory.took_off(memory.states_of(plan, classifier.classify(plan.runs)[1]))
    assert not store.saved
    assert stepped(memory.remember(*columns_of([arrival(2, 2.0)])))
    memory.landed()
    assert not stepped(memory.remember(*columns_of([arrival(3, 3.0)])))


def test_a_state_of_the_shipped_classifier_is_small():
    store = InMemoryLightCurves()
    classifier = Classifier(load(DEFAULT))
    remember(store, *(arrival(i, float(i)) for i in range(1, 5)), classifier=classifier)
    assert len(store.saved[KEY]) <= 2048
    assert stepped(remember(store, arrival(9, 9.0), classifier=classifier))


def test_no_alerts_are_no_work():
    plan = remember(InMemoryLightCurves())
    assert (len(plan.runs.rows), plan.keys, len(plan.verdicts)) == (0, [], 0)
