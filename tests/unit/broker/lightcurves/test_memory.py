"""Law 3 by example: when a stored state is used, and when the whole curve is read."""

from itertools import count

from broker.kafka.message import Message
from broker.lightcurves.memory import PACKED_HEADER, Memory, Share
from broker.lightcurves.store import Arrival, InMemoryLightCurves
from model.classifier import Outcome
from model.observation import Alert, Context, LightCurve, Observation

OFFSETS = count()
DIGEST = "d" * 64


def arrival(number: int, mjd: float, flux: float = 5.0, context: Context | None = None, history=()) -> Arrival:
    observation = Observation(mjd, flux, 1.0, 2, True)
    return Arrival(
        Message("alerts", 0, next(OFFSETS), 0),
        Alert(number, "object", "test", observation, context or Context(), history),
    )


def remember(store: InMemoryLightCurves, *arrivals: Arrival, save: bool = True, digest: str = DIGEST) -> Share:
    memory = Memory(store, digest)
    (share,) = memory.remember(arrivals)
    if save:
        memory.save([share], [[Outcome([], b"state")] * len(share.runs)])
    return share


def curve(*fluxes: float) -> bytes:
    rows = [Observation(float(i + 1), flux, 1.0, 2, True) for i, flux in enumerate(fluxes)]
    return LightCurve.of(rows).observations.tobytes()


def test_a_new_object_and_then_one_step():
    store = InMemoryLightCurves()
    first = remember(store, arrival(1, 1.0))
    second = remember(store, arrival(2, 2.0))
    assert (first.stepped, first.runs[0].state) == (True, None)
    assert (second.stepped, second.runs[0].state, len(second.runs[0].observations)) == (True, b"state", 1)
    assert second.answers[0].observations == 2


def test_the_steady_state_is_one_run_for_several_alerts():
    share = remember(InMemoryLightCurves(), *(arrival(i, float(i)) for i in range(1, 5)))
    assert share.stepped
    assert share.runs[0].readouts == (0, 1, 2, 3)


def test_a_late_observation_recomputes_the_curve_in_time_order():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 10.0))
    remember(store, arrival(3, 3.0, 30.0))
    late = remember(store, arrival(2, 2.0, 20.0))
    assert not late.stepped
    assert late.runs[0].state is None
    assert late.runs[0].observations.tobytes() == curve(10, 20, 30)
    assert remember(store, arrival(4, 4.0)).stepped, "afterwards the state fits again"


def test_a_new_model_recomputes():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0))
    share = remember(store, arrival(2, 2.0), digest="e" * 64)
    assert not share.stepped
    assert len(share.runs[0].observations) == 2


def test_a_new_photoz_recomputes():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, context=Context(host_photoz=0.1)))
    share = remember(store, arrival(2, 2.0, context=Context(host_photoz=0.2)))
    assert share.runs[0].state is None
    assert len(share.runs[0].observations) == 2


def test_a_state_whose_log_was_lost_and_grew_to_the_same_length_is_not_believed():
    store = InMemoryLightCurves()
    remember(store, arrival(1, 1.0, 11.0), arrival(2, 2.0, 22.0))
    store.logs.clear()
    remember(store, arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0), save=False)
    share = remember(store, arrival(3, 3.0, 30.0))
    assert not share.stepped
    assert share.runs[0].observations.tobytes() == curve(10, 20, 30)


def test_the_same_alert_at_another_offset_is_a_duplicate_and_costs_the_next_alert_nothing_lasting():
    store = InMemoryLightCurves()
    first = arrival(1, 1.0)
    remember(store, first)
    again = remember(store, Arrival(Message("alerts", 3, 77, 0), first.alert))
    assert again.answers == [None]
    assert again.runs == []
    resumed = remember(store, arrival(2, 2.0))
    assert (resumed.stepped, resumed.runs[0].state) == (False, b"state"), "the log was read, the state still serves"
    assert remember(store, arrival(3, 3.0)).stepped


def test_the_same_offset_again_is_answered_as_before():
    store = InMemoryLightCurves()
    first, second = arrival(1, 1.0, 10.0), arrival(2, 2.0, 20.0)
    remember(store, first, second)
    again = remember(store, first)
    assert again.answers[0].observations == 1
    assert again.runs[0].observations.tobytes() == curve(10)


def test_history_joins_the_curve_once():
    store = InMemoryLightCurves()
    history = (Observation(1.0, 10.0, 1.0, 2, True), Observation(2.0, 20.0, 1.0, 2, True))
    share = remember(store, arrival(3, 3.0, 30.0, history=history))
    assert share.runs[0].observations.tobytes() == curve(10, 20, 30)
    remember(store, arrival(4, 4.0, 40.0, history=(*history, Observation(3.0, 30.0, 1.0, 2, True))))
    assert len(store.logs["test/object"]) == 4


def test_the_header_of_a_state_is_small():
    assert PACKED_HEADER.size < 128
