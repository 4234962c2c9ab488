"""Rebuild: light curves that the store lost, from the input topics that Kafka still has.

Only what the group has committed is read: what comes after it the service appends itself. An entry that the log has
already (the same alert, observation and message) is left alone, one that it lacks is appended at the end. That is as
good as where it stood: an alert that is still to come sees the whole log, whatever its order (law 4), and those before
it have their fate. A cached state no longer fits the longer log, so the next alert computes the curve again (law 3).
Nothing is published or committed, and a service may run meanwhile.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from time import sleep

import numpy as np
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from broker.config import Settings
from broker.errors import PoisonMessage, StartupError, TransientError
from broker.kafka import spans
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.lightcurves.memory import new_entries
from broker.lightcurves.store import BAND, HISTORY, Arrival, LightCurveStore, entries, source_of
from model.observation import Alert

PAUSES_S = (0.2, 1.0, 5.0, 10.0)  # between tries, where the store is away


@dataclass(slots=True)
class Rebuilt:
    """What was done."""

    alerts: int = 0
    unreadable: int = 0  # messages; they are dead letters
    added: int = 0  # entries
    already_there: int = 0  # alerts
    begun: int = 0  # objects of which nothing was left


def committed_spans(admin: AdminClient, settings: Settings, since_ms: int, until_ms: int | None) -> list[Span]:
    """What the group has read of the input topics, from a time on [ms since 1970]. Raises StartupError."""
    places = spans.partitions(admin, settings.kafka.topics)
    done = spans.committed(settings.kafka.consumer(), places)
    since = spans.at_time(admin, places, since_ms)
    until = spans.at_time(admin, places, until_ms) if until_ms is not None else done
    return [Span(*place, since[place], min(until[place], done[place])) for place in places if place in done]


def rebuild(
    batches: Iterable[Collection[Message]],
    read_alert: Callable[[Message], Alert],
    store: LightCurveStore,
    *,
    pauses_s: Iterable[float] = PAUSES_S,
) -> Rebuilt:
    """Append to each object's log what it lacks.

    Args:
        batches: the input's messages, each partition's in order.
        read_alert: decode and adapt; raises PoisonMessage.
        store: of the light curves.
        pauses_s: before each new try where the store is away.

    Raises:
        StartupError: the store stays away.
    """
    rebuilt = Rebuilt()
    for messages in batches:
        shares: defaultdict[str, list[Arrival]] = defaultdict(list)
        for message in messages:
            try:
                arrival = Arrival(message._replace(value=None), read_alert(message))
            except PoisonMessage:
                rebuilt.unreadable += 1
            else:
                shares[arrival.key].append(arrival)
                rebuilt.alerts += 1
        if shares:
            insist(lambda shares=shares: append_missing(store, shares, rebuilt), pauses_s)  # type: ignore[misc]  # bound now
    return rebuilt


def append_missing(store: LightCurveStore, shares: Mapping[str, Collection[Arrival]], rebuilt: Rebuilt) -> None:
    """Read the objects' logs, then append what each lacks. Raises TransientError; to do it again is right."""
    logs = store.read(shares)
    new: dict[str, list[bytes]] = {}
    arrived = missed = 0
    for key, arrivals in shares.items():
        log = entries(logs[key])
        missing = [arrival for arrival in arrivals if not already_there(log, arrival)]
        arrived += len(arrivals)
        missed += len(missing)
        if missing:
            new[key] = list(new_entries(missing, log))
    if new:
        store.append(new)
    rebuilt.already_there += arrived - missed
    rebuilt.added += sum(map(len, new.values()))
    rebuilt.begun += sum(not logs[key] for key in new)


def already_there(log: NDArray[np.void], arrival: Arrival) -> bool:
    """Whether a log [n] has an arrival's own observation, left by this very message."""
    own = arrival.alert.observation
    return bool(
        (
            (log["alert_id"] == arrival.alert.alert_id)
            & (log["offset"] == arrival.message.offset)
            & (log["source"] == source_of(arrival.message))
            & (log["mjd_tai"] == own.mjd_tai)
            & ((log["flags"] & (BAND | HISTORY)) == own.band)
        ).any()
    )


def insist(attempt: Callable[[], None], pauses_s: Iterable[float]) -> None:
    """Try until the store answers. Raises StartupError where it stays away."""
    for pause_s in (*pauses_s, None):
        try:
            attempt()
        except TransientError as error:
            if pause_s is None:
                raise StartupError(f"{error}; look whether Redis is well, then rebuild once more") from error
            sleep(pause_s)
        else:
            return
