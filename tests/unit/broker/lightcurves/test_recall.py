"""What an alert means is told by the log alone, prefix by prefix."""

import numpy as np
import pytest

from broker.kafka.message import Message
from broker.lightcurves.entries import cut_all
from broker.lightcurves.hashes import salts
from broker.lightcurves.memory import Memory
from broker.lightcurves.recall import SHORT, Log, compacted, entries_for, grown, missing, recall, same
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import told_of
from model.features import contexts
from model.observation import OBSERVATION, Context, Observation
from tests.support.columns import Alert, Arrival, columns_of
from tests.support.echo import Echo

KEY = b"test/object"
SALT = salts([KEY])[0]
UNKNOWN = contexts([Context()])


def row(mjd, flux=1.0, error=1.0, detected=True):
    return Observation(mjd, flux, error, 2, detected)


def alert(number, mjd, *history, context=None):
    return Alert(number, "object", "test", row(mjd, float(number)), context or Context(), history)


def told(*alerts, partition=0, first=0):
    arrivals = [Arrival(Message("alerts", partition, first + i, 0), one) for i, one in enumerate(alerts)]
    return told_of(*columns_of(arrivals), np.zeros(len(alerts), np.int64), {0})[0]


def raw_of(alerts):
    made = [entries_for(one, rows, history, SALT) for one, rows, history in missing(Log.of([], int(SALT)), alerts)]
    return cut_all(np.concatenate(made))


def log_of(alerts, **options):
    return Log.of(raw_of(alerts), int(SALT), **options)


def seen_of(log, entries):
    return entries, int(log.entries["check"][entries - 1])


def lacks(log, alerts):
    return [(one.offset, rows["mjd_tai"].tolist(), history) for one, rows, history in missing(log, alerts)]


def test_an_empty_log_lacks_each_alert_and_its_history():
    alerts = told(alert(1, 5.0, row(3.0), row(4.0)), alert(2, 6.0))
    assert lacks(Log.of([], int(SALT)), alerts) == [(0, [3.0, 4.0], True), (0, [5.0], False), (1, [6.0], False)]


def test_a_log_that_has_all_lacks_nothing():
    alerts = told(alert(1, 5.0, row(3.0)), alert(2, 6.0, row(3.0), row(5.0)))
    assert lacks(log_of(alerts), alerts) == []


def test_of_a_history_that_is_lacking_which_changes_the_light_curve():
    log = log_of(told(alert(1, 5.0, row(3.0, error=2.0), row(4.0, error=2.0))))
    more = alert(2, 6.0, row(3.0, error=1.0), row(4.0, error=3.0), row(4.5, detected=False))
    assert lacks(log, told(more, first=7)) == [(7, [3.0, 4.5], True), (7, [6.0], False)]


def test_a_duplicate_lacks_nothing_whatever_its_history_says():
    log = log_of(told(alert(1, 5.0)))
    assert lacks(log, told(alert(1, 5.0, row(1.0)), first=9)) == []
    assert lacks(Log.of([], int(SALT)), told(alert(1, 5.0), alert(1, 5.0, row(1.0)))) == [(0, [5.0], False)]


@pytest.mark.parametrize(
    "history",
    [
        (row(5.0, 3.0, 2.0, detected=False),),
        (row(4.0, 3.0, 2.0), row(4.0, 3.0, 1.0)),
        (row(4.0), row(3.0)),
        (row(5.0, 1.0),),
    ],
    ids=["loses against its own", "one loses against another", "out of order", "holds its own"],
)
def test_an_alert_leaves_what_the_steady_path_would_have_left(history):
    """Else a batch done again, in other parts, would leave other entries."""
    store, classifier = InMemoryLightCurves(), Echo()
    one = alert(1, 5.0, *history)
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    plan = memory.remember(*columns_of([Arrival(Message("alerts", 0, 0, 0), one)]))
    assert plan.stepped == 1
    assert store.logs[KEY] == raw_of(told(one))


def test_each_answer_is_the_set_of_the_entries_up_to_its_alert():
    alerts = told(alert(1, 5.0), alert(3, 7.0), alert(2, 6.0), alert(4, 8.0))
    done = recall(log_of(alerts), alerts, None, UNKNOWN)
    assert [answer.observations for answer in done.answers] == [1, 2, 3, 4]
    curves = [np.concatenate(run.rows)["mjd_tai"].tolist() for run in done.runs]
    assert curves == [[5.0, 7.0], [5.0, 6.0, 7.0, 8.0]], "the late one begins a run of its own"
    assert [(a.run, a.readout) for a in done.answers] == [(0, 0), (0, 1), (1, 2), (1, 3)]
    assert done.entries == 4


def test_another_place_with_the_same_alert_is_a_duplicate_and_the_same_is_none():
    log = log_of(told(alert(1, 5.0), alert(2, 6.0)))
    done = recall(log, told(alert(1, 5.0), partition=3), None, UNKNOWN)
    assert [answer.run for answer in done.answers] == [-1]
    assert done.curve is None
    done = recall(log, told(alert(1, 5.0)), None, UNKNOWN)
    assert [answer.observations for answer in done.answers] == [1]


def test_a_state_serves_while_the_curve_goes_on_from_what_it_has_seen():
    alerts = told(alert(1, 5.0), alert(2, 6.0), alert(3, 7.0))
    log = log_of(alerts)
    done = recall(log, alerts[2:], seen_of(log, 2), UNKNOWN)
    assert [(run.resumed, np.concatenate(run.rows)["mjd_tai"].tolist()) for run in done.runs] == [(True, [7.0])]
    for context in (contexts([Context(host_photoz=0.5)]), contexts([Context(mwebv=0.1)])):
        assert not recall(log, alerts[2:], seen_of(log, 2), context).runs[0].resumed, "it assumes another context"


@pytest.mark.parametrize("seen", [None, (2, 12345), (0, 0), (4, 0)])
def test_a_state_that_is_not_of_this_log_does_not_serve(seen):
    alerts = told(alert(1, 5.0), alert(2, 6.0), alert(3, 7.0))
    (run,) = recall(log_of(alerts), alerts[2:], seen, UNKNOWN).runs
    assert (run.resumed, run.length) == (False, 3)


def test_a_state_does_not_serve_a_late_alert_nor_where_older_entries_were_not_read():
    alerts = told(alert(1, 5.0), alert(3, 7.0), alert(2, 6.0))
    log = log_of(alerts)
    assert not recall(log, alerts[2:], seen_of(log, 2), UNKNOWN).runs[0].resumed
    log = log_of(told(alert(1, 5.0), alert(2, 6.0), alert(3, 7.0)), before=True)
    assert not recall(log, told(alert(3, 7.0), first=2), seen_of(log, 2), UNKNOWN).runs[0].resumed


def test_alerts_with_unknown_contexts_are_one_run():
    alerts = told(*(alert(i, 5.0 + i) for i in range(1, 9)))
    assert len(recall(log_of(alerts), alerts, None, UNKNOWN).runs) == 1
    assert same(UNKNOWN, contexts([Context()]))
    assert not same(UNKNOWN, contexts([Context(ddf=True)]))


def test_what_repeats_behind_the_last_alert_counts_as_seen():
    alerts = told(alert(1, 5.0), alert(2, 6.0))
    raw = raw_of(alerts)
    done = recall(Log.of([*raw, raw[0]], int(SALT)), alerts, None, UNKNOWN)
    assert done.entries == 3


def test_whether_a_state_can_be_of_a_log():
    log = log_of(told(alert(1, 5.0), alert(2, 6.0)))
    assert log.has(*seen_of(log, 1))
    assert log.has(*seen_of(log, 2))
    assert not log.has(1, seen_of(log, 2)[1])
    assert not log.has(3, 0)
    assert not Log.of([], int(SALT)).has(1, 0)


def test_a_curve_grows_only_by_what_changes_it():
    curve = np.array([row(1.0), row(3.0)], OBSERVATION)
    assert grown(curve, curve[:0]) is curve
    assert grown(curve, np.array([row(1.0), row(3.0, error=5.0)], OBSERVATION)) is curve
    assert grown(curve, np.array([row(2.0)], OBSERVATION))["mjd_tai"].tolist() == [1.0, 2.0, 3.0]
    assert grown(curve, np.array([row(4.0)], OBSERVATION))["mjd_tai"].tolist() == [1.0, 3.0, 4.0]
    assert grown(curve, np.array([row(3.0, error=0.5)], OBSERVATION))["flux_err_njy"].tolist() == [1.0, 0.5]


def test_a_log_that_is_mostly_repeats_or_damaged_is_rewritten_without():
    raw = raw_of(told(alert(1, 5.0), alert(2, 6.0)))
    assert compacted(Log.of(raw * 20, int(SALT)), raw * 20) is None, f"no more than {SHORT}"
    long = [*raw * 32, b"any"]
    assert compacted(Log.of(long, int(SALT)), long) == raw
    many = raw_of(told(*(alert(i, float(i)) for i in range(1, 101))))
    assert compacted(Log.of(many * 2, int(SALT)), many * 2) is None
    assert compacted(Log.of([*many * 2, many[0]], int(SALT)), [*many * 2, many[0]]) == many


def test_no_more_is_planned_than_may_be_classified_at_once():
    """Each late alert is the whole light curve again: a flood of them was planned to its end, and then refused."""
    alerts = told(*(alert(i, 100.0 - i) for i in range(1, 61)))
    log = log_of(alerts)
    done = recall(log, alerts, None, UNKNOWN, 50)
    assert [answer.cost for answer in done.answers] == list(range(1, 11)), "the tenth alert makes it 55"
    assert len(recall(log, alerts, None, UNKNOWN).answers) == 60


def test_a_state_that_may_have_seen_an_entry_before_it_was_damaged_is_not_gone_on_with():
    """It would step over the same observation twice, once the alert is sent again."""
    raw = raw_of(told(alert(2, 7.0), alert(1, 5.0)))
    seen = seen_of(Log.of(raw, int(SALT)), 2)
    again = told(alert(2, 7.0), first=9)
    log = Log.of([b"\x00" + raw[0][1:-1] + b"\x00", raw[1], *raw_of(again)], int(SALT))
    assert log.good.tolist() == [False, True, True]
    (run,) = recall(log, again, seen, UNKNOWN).runs
    assert not run.resumed
    assert np.concatenate(run.rows)["mjd_tai"].tolist() == [5.0, 7.0]
