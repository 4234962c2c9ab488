import numpy as np

from tests.support.alerts import alerts_of, record

PAST = {"mjd": 59_000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}
ALERTS = alerts_of([record(objectId="b", history=[PAST, PAST]), record(objectId="a"), record(objectId="b", alertId=9)])


def test_each_alert_has_its_rows_and_its_own_comes_last():
    assert ALERTS.starts.tolist() == [0, 3, 4]
    assert ALERTS.ends.tolist() == [3, 4, 5]
    assert (ALERTS.own["mjd_tai"] == record()["mjd"]).all()


def test_alerts_are_grouped_by_object_in_the_order_of_first_appearance():
    keys, owner = ALERTS.grouped()
    assert keys == [b"plasticc/b", b"plasticc/a"]
    assert owner.tolist() == [0, 1, 0]


def test_some_alerts_are_taken_with_their_own_observation_alone():
    some = ALERTS.take(np.array([0, 2]))
    assert some.alert_ids.tolist() == [7, 9]
    assert some.objects == [b"plasticc/b", b"plasticc/b"]
    assert some.ends.tolist() == [1, 2]
    assert some.rows.tobytes() == ALERTS.own[[0, 2]].tobytes()


def test_no_alerts_are_none():
    none = ALERTS.take(np.empty(0, np.int64))
    assert len(none) == len(none.starts) == 0
    assert none.grouped()[0] == []
