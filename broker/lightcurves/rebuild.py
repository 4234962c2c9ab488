"""Rebuild: light curves that the store lost, from the input topics that Kafka still has.

Only what the group has committed is read: what comes after it the service appends itself. What the log has already
(the same alert with the same time and band) is left alone, what it lacks is appended. That is as good as where it
stood. Alerts that were set aside are left out: they were not answered, and are new when they are sent again. So are
duplicates: the alert that one repeats may be still to come, and must not be taken for the second.

An alert that is still to come sees the whole log, whatever its order (law 4), and those before it have their
fate. But an alert that is still to come may be in the log already: a worker wrote it into the emptied store before it
saw the loss, or writes it meanwhile. So what a log lacks goes before all of it where that is of messages not read yet,
and what stands in it of messages that are not committed is no reason to leave anything out: the same alert, sent again,
would be taken for the first.
A cached state no longer fits the longer log, so the next alert computes the curve again (law 3). Nothing is published
or committed, and a service may run meanwhile.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from time import sleep
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from broker.config import Settings
from broker.errors import StartupError, TransientError
from broker.kafka import spans
from broker.kafka.batch import Batch, Place
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.lightcurves.entries import cut_all, source_of
from broker.lightcurves.hashes import salts
from broker.lightcurves.recall import Log, entries_for, missing
from broker.lightcurves.store import LightCurveStore, Refused
from broker.lightcurves.told import Messages, told_of
from broker.packets.decoded import Decoded
from model.alerts import Alerts

Result = TypeVar("Result")
ReadAlerts = Callable[[Batch], Decoded]
Offsets = Mapping[Place, NDArray[np.int64]]  # [n] of each partition
NONE: Offsets = MappingProxyType({})
ALL: Mapping[Place, int] = MappingProxyType({})

AT_ONCE = 8192  # messages: an object's log is read once for all that they say of it
MOST_ENTRIES = 1 << 20  # of a log
MOST_OFFSET = 1 << 62
LOOKS = 3  # at what is committed
PAUSES_S = (0.2, 1.0, 5.0, 10.0)  # between tries, where the store is away


@dataclass(slots=True)
class Rebuilt:
    """What was done."""

    alerts: int = 0
    unreadable: int = 0  # messages; they are dead letters
    added: int = 0  # entries
    already_there: int = 0  # alerts
    begun: int = 0  # objects of which nothing was left
    refused: int = 0  # times that Redis refused to read an object's log


def committed_spans(admin: AdminClient, settings: Settings, since_ms: int, until_ms: int | None) -> list[Span]:
    """What the group has read of the input topics, from a time on [ms since 1970]. Raises StartupError."""
    places = spans.partitions(admin, settings.kafka.topics, settings.outputs.topics)
    done = spans.committed(settings.kafka.consumer(), places)
    since = spans.at_time(admin, places, since_ms)
    until = spans.at_time(admin, places, until_ms) if until_ms is not None else done
    return [Span(*place, since[place], min(until[place], done[place])) for place in places if place in done]


def refill(
    admin: AdminClient,
    settings: Settings,
    read_alerts: ReadAlerts,
    store: LightCurveStore,
    *,
    read_to: Mapping[Place, int],
    alive: Callable[[], None],
    places: AbstractSet[Place] | None = None,
    aside: Callable[[], Offsets] = lambda: NONE,
) -> dict[Place, int]:
    """Append all that the group has committed, from some offsets on, and what it commits meanwhile; how far it came.

    A worker may commit a batch after the store was lost that it had written before, so what is committed is looked at
    again. Not for ever: who commits on and on has joined, and writes into the store as it is now.

    Args:
        admin: of the Kafka servers.
        settings: name topics and group.
        read_alerts: decode and adapt.
        store: of the light curves, unwatched.
        read_to: where each partition is begun; its oldest message where there is none.
        alive: called after each batch.
        places: partitions; all of the input's where None.
        aside: tells what to leave out; asked once it is known how far the group has committed.
    """
    done = dict(read_to)
    for _ in range(LOOKS):
        spans_left = [
            left
            for span in committed_spans(admin, settings, 0, None)
            if places is None or span.place in places
            if (left := span._replace(start=max(span.start, done.get(span.place, 0)))).size
        ]
        if not spans_left:
            break
        batches = spans.read(settings.kafka.consumer(), spans_left, AT_ONCE)
        ends = {span.place: span.end for span in spans_left}
        rebuild(batches, read_alerts, store, ends=done | ends, alive=alive, aside=aside())
        done |= ends
    return done


def rebuild(
    batches: Iterable[Collection[Message]],
    read_alerts: ReadAlerts,
    store: LightCurveStore,
    *,
    ends: Mapping[Place, int] = ALL,
    pauses_s: Iterable[float] = PAUSES_S,
    alive: Callable[[], None] = lambda: None,
    aside: Offsets = NONE,
) -> Rebuilt:
    """Add to each object's log what it lacks.

    Args:
        batches: the input's messages, each partition's in order.
        read_alerts: decode and adapt.
        store: of the light curves.
        ends: the first offset of a partition that is not committed; all is where nothing is said.
        pauses_s: before each new try where the store is away.
        alive: called after each batch.
        aside: alerts to leave out.

    Raises:
        StartupError: the store stays away, or a registry that alone knows a schema.
    """
    rebuilt = Rebuilt()
    reached: dict[int, int] = {}  # by source
    committed = {source_of(*place): end for place, end in ends.items()}

    def add(alerts: Alerts, messages: Messages) -> None:
        insist(lambda: add_missing(store, alerts, messages, reached, committed, rebuilt), pauses_s)

    for messages in batches:
        batch = Batch.of(list(messages))
        reached |= {source_of(*place): last for place, _, last in batch.bounds()}
        decoded = insist(partial(read_alerts, batch), pauses_s)
        alerts = without(decoded.alerts, batch, aside)
        rebuilt.unreadable += len(decoded.poisons)
        rebuilt.alerts += len(alerts)
        if len(alerts):
            add(alerts, Messages.of(batch, alerts))
        alive()
    return rebuilt


def without(alerts: Alerts, batch: Batch, aside: Offsets) -> Alerts:
    """The alerts of a batch with their histories, but for those that are to be left out."""
    if not aside:
        return alerts
    which, offsets = batch.place[alerts.message], batch.offsets[alerts.message]
    kept = np.ones(len(alerts), np.bool_)
    for number, place in enumerate(batch.places):
        if place in aside:
            kept &= (which != number) | ~np.isin(offsets, aside[place])
    if kept.all():
        return alerts
    sizes = alerts.ends - alerts.starts
    rows = alerts.rows[np.repeat(kept, sizes)]
    return replace(alerts.take(np.flatnonzero(kept)), rows=rows, ends=np.cumsum(sizes[kept]))


def add_missing(
    store: LightCurveStore,
    alerts: Alerts,
    messages: Messages,
    reached: Mapping[int, int],
    committed: Mapping[int, int],
    rebuilt: Rebuilt,
) -> None:
    """Read the objects' logs, then add what each lacks. Raises TransientError; to do it again is right.

    Args:
        store: of the light curves.
        alerts: of a batch.
        messages: of the alerts.
        reached: by source, the last offset that was read.
        committed: by source, the first offset that is not.
        rebuilt: counts.
    """
    keys, owner = alerts.grouped()
    salt = salts(keys)
    told = told_of(alerts, messages, owner, set(range(len(keys))))
    behind: list[tuple[bytes, list[bytes]]] = []
    ahead: list[tuple[bytes, list[bytes]]] = []
    arrived = missed = begun = 0
    for o, stored in enumerate(store.read(keys, MOST_ENTRIES)):
        if isinstance(stored, Refused):
            rebuilt.refused += 1
            continue
        log = Log.of(stored, int(salt[o]))
        lacking = list(missing(committed_part(log, stored, committed, int(salt[o])), told[o]))
        arrived += len(told[o])
        missed += sum(not history for _, _, history in lacking)
        if lacking:
            made = [entries_for(one, rows, history, salt[o]) for one, rows, history in lacking]
            where = ahead if has_what_comes_later(log, reached) else behind
            where.append((keys[o], cut_all(np.concatenate(made))))
            begun += not stored
    if behind:
        store.append(behind, [True] * len(behind))
    if ahead:
        store.prepend(ahead)
    rebuilt.already_there += arrived - missed
    rebuilt.added += sum(len(added) for _, added in (*behind, *ahead))
    rebuilt.begun += begun


def committed_part(log: Log, raw: Sequence[bytes], committed: Mapping[int, int], salt: int) -> Log:
    """A log [n] without the entries of messages that are not committed."""
    offsets, sources = log.entries["offset"], log.entries["source"].tolist()
    kept = offsets < np.array([committed.get(source, MOST_OFFSET) for source in sources], np.int64)
    return log if kept.all() else Log.of([one for one, keep in zip(raw, kept.tolist(), strict=True) if keep], salt)


def has_what_comes_later(log: Log, reached: Mapping[int, int]) -> bool:
    """Whether a log has entries of messages that were not read yet."""
    entries = log.entries[log.good]
    return any(
        offset > reached.get(source, -1)
        for source, offset in zip(entries["source"].tolist(), entries["offset"].tolist(), strict=True)
    )


def insist(attempt: Callable[[], Result], pauses_s: Iterable[float]) -> Result:
    """What is made once the store or the registry answers. Raises StartupError where it stays away."""
    for pause_s in (*pauses_s, None):
        try:
            return attempt()
        except TransientError as error:
            if pause_s is None:
                raise StartupError(f"{error}; look whether it is well, then rebuild once more") from error
            sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")
