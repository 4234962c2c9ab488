"""Alerts one by one, as tests tell them, and the columns that the service has of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple

import numpy as np

from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.told import Messages
from broker.packets.reader import AlertReader
from model.alerts import Alerts
from model.features import contexts
from model.observation import OBSERVATION, Context, Observation


@dataclass(frozen=True, slots=True)
class Alert:
    """One message's meaning. `history` holds earlier observations of the object that the packet carries."""

    alert_id: int
    object_id: str
    survey: str
    observation: Observation
    context: Context = field(default_factory=Context)
    history: tuple[Observation, ...] = ()
    ra_deg: float = nan
    dec_deg: float = nan

    @property
    def key(self) -> bytes:
        return f"{self.survey}/{self.object_id}".encode()


class Arrival(NamedTuple):
    """An alert and the message that brought it."""

    message: Message
    alert: Alert

    @property
    def place(self) -> tuple[int, int]:
        return self.message.partition, self.message.offset


def alerts_of(arrivals: Sequence[Arrival]) -> Alerts:
    """The columns of some alerts, each in a message of its own."""
    alerts = [a for _, a in arrivals]
    return Alerts(
        message=np.arange(len(alerts)),
        alert_ids=np.array([a.alert_id for a in alerts], np.int64),
        objects=[a.key for a in alerts],
        rows=np.array([o for a in alerts for o in (*a.history, a.observation)], OBSERVATION),
        ends=np.cumsum([len(a.history) + 1 for a in alerts], dtype=np.int64),
        contexts=contexts([a.context for a in alerts]),
        places_deg=np.array([(a.ra_deg, a.dec_deg) for a in alerts]).reshape(-1, 2),
        sent_ms=np.array([max(0, m.timestamp_ms) for m, _ in arrivals], np.int64),
    )


def batch_of(arrivals: Sequence[Arrival], again: bool = False) -> Batch:
    """The messages of some alerts."""
    return Batch.of([m for m, _ in arrivals], again=np.full(len(arrivals), again))


def columns_of(arrivals: Sequence[Arrival], again: bool = False) -> tuple[Alerts, Messages]:
    """What a store's memory is given."""
    alerts = alerts_of(arrivals)
    return alerts, Messages.of(batch_of(arrivals, again), alerts)


def alert_at(alerts: Alerts, i: int) -> Alert:
    """One of the alerts of some columns."""
    survey, _, name = alerts.objects[i].decode().partition("/")
    photoz, photoz_err, mwebv, ddf = alerts.contexts[i].item()
    first = int(alerts.ends[i - 1]) if i else 0
    *history, own = (Observation(*row.item()) for row in alerts.rows[first : alerts.ends[i]])
    return Alert(
        alert_id=int(alerts.alert_ids[i]),
        object_id=name,
        survey=survey,
        observation=own,
        context=Context(photoz, photoz_err, mwebv, None if ddf < 0 else bool(ddf)),
        history=tuple(history),
        ra_deg=float(alerts.places_deg[i, 0]),
        dec_deg=float(alerts.places_deg[i, 1]),
    )


def read_alert(message: Message, reader: AlertReader) -> Alert:
    """The alert of one message. Raises PoisonMessage."""
    decoded = reader(Batch.of([message]))
    for poison in decoded.poisons.values():
        raise poison
    assert len(decoded.alerts) == 1
    return alert_at(decoded.alerts, 0)
