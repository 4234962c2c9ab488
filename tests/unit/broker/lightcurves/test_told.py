"""The alerts of a batch with the messages that brought them."""

import numpy as np

from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.entries import source_of
from broker.lightcurves.told import Messages, told_of
from model.observation import Context, Observation
from tests.support.columns import Alert, Arrival, alerts_of

PLACES = [("a", 0, 7), ("b", 3, 9), ("a", 0, 8), ("a", 1, 2)]
MESSAGES = [Message(topic, partition, offset, 0) for topic, partition, offset in PLACES]
AGAIN = np.array([True, False, False, True])


def row(mjd: float) -> Observation:
    return Observation(mjd, mjd, 1.0, 0, True)


def some_alerts(*names: str):
    made = [
        Alert(i + 1, name, "t", row(10.0 + i), Context(host_photoz=0.25 * i), tuple(map(row, range(1, i + 1))))
        for i, name in enumerate(names)
    ]
    return alerts_of([Arrival(MESSAGES[0], alert) for alert in made])


def test_each_alert_has_the_place_of_its_message_though_some_messages_have_none():
    alerts = some_alerts("x", "y", "x")
    alerts.message[:] = [0, 1, 3]  # the third message is no alert
    messages = Messages.of(Batch.of(MESSAGES, again=AGAIN), alerts)
    assert messages.offsets.tolist() == [7, 9, 2]
    assert messages.sources.tolist() == [source_of("a", 0), source_of("b", 3), source_of("a", 1)]
    assert messages.again.tolist() == [True, False, True]


def test_the_alerts_of_some_objects_one_by_one():
    alerts = some_alerts("x", "y", "x", "z")
    messages = Messages.of(Batch.of(MESSAGES), alerts)
    keys, owner = alerts.grouped()
    assert keys == [b"t/x", b"t/y", b"t/z"]
    told = told_of(alerts, messages, owner, {0, 2})
    assert {o: [one.alert for one in found] for o, found in told.items()} == {0: [0, 2], 2: [3]}
    third = told[0][1]
    assert (third.alert_id, third.source, third.offset) == (3, source_of("a", 0), 8)
    assert third.rows["mjd_tai"].tolist() == [1.0, 2.0, 12.0]
    assert third.context["host_photoz"].tolist() == [0.5]


def test_nothing_is_told_of_no_objects():
    alerts = some_alerts("x")
    assert told_of(alerts, Messages.of(Batch.of(MESSAGES), alerts), np.zeros(1, np.int64), set()) == {}
