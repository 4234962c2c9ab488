"""What logs say is to be answered: law 5 itself, since the order of a log is the order of arrival."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from broker.lightcurves.entries import HISTORY, observations, parse, source_of
from broker.lightcurves.hashes import salts
from broker.lightcurves.recall import curve_of
from model.observation import OBSERVATION
from tests.support.columns import Alert
from tests.support.confusable import PARTITIONS
from tests.support.echo import verdict_on
from tests.support.kafka_double import KafkaDouble

Place = tuple[int, int]  # partition and offset
SOURCES = {source_of(KafkaDouble.topic, p): p for p in range(PARTITIONS)}


def answers_of(
    logs: Mapping[bytes, Sequence[bytes]],
    alert_at: Callable[[Place], Alert],
    *,
    whole: bool,
    refused: Collection[bytes] = (),
) -> dict[Place, tuple]:
    """How many observations the light curve has and the verdict on it, by the place of each alert that owns its entry.

    Of alerts that say the same the first in the log is the owner. AssertionError where an entry is not what its message
    told; where the logs are whole, also where a history does not stand before its alert, or a partition's alerts stand
    in another order.

    Of an object that was refused for a time, an alert may have been set aside by a worker that was expelled before it
    could commit that, and went on with a later one: then the later one stands first.
    """
    answers: dict[Place, tuple] = {}
    for key, log in logs.items():
        entries, good = parse(log, int(salts([key])[0]))
        entries = entries[good]
        rows = observations(entries)
        owned: set[tuple[int, float, int]] = set()
        offsets: dict[int, dict[int, None]] = {p: {} for p in range(PARTITIONS)}
        for i in np.flatnonzero((entries["flags"] & HISTORY) == 0).tolist():
            place = SOURCES[int(entries["source"][i])], int(entries["offset"][i])
            alert = alert_at(place)
            assert alert.key == key
            assert rows[i].item() == alert.observation
            offsets[place[0]].setdefault(place[1])
            same = alert.alert_id, alert.observation.mjd_tai, alert.observation.band
            if same in owned:
                continue
            owned.add(same)
            curve = curve_of(rows[: i + 1])
            told = np.array([*alert.history, alert.observation], OBSERVATION)
            assert not whole or all(is_known(row, curve) for row in told), "its history is in the log before it"
            answers[place] = len(curve), *verdict_on(curve, alert.context)
        in_order = all(list(found) == sorted(found) for found in offsets.values())
        assert not whole or key in refused or in_order, "a partition's alerts stand in another order"
    return answers


def overtaken(
    answers: Mapping[Place, tuple], new: Sequence[tuple[bytes, Sequence[bytes]]], alert_at: Callable[[Place], Alert]
) -> dict[Place, tuple]:
    """Those of the answers that stay right although a rebuild puts new entries before logs.

    A worker commits what it wrote into a store that was lost, and adds it to the new one later. Meanwhile another may
    have planned an alert of the other partition, whose answer does not know of it: that is right, since the order of
    two partitions is that of the log as it was. One of the same partition must know.
    """
    sources = {key: parse(log, int(salts([key])[0]))[0]["source"].tolist() for key, log in new}
    found = {(key, SOURCES[source]) for key, some in sources.items() for source in some}
    return {place: one for place, one in answers.items() if (alert_at(place).key, place[0]) not in found}


def published_once(published: Sequence[Place], alerts: Iterable[tuple[Place, Alert]], *, whole: bool) -> None:
    """AssertionError where an alert was published never, or twice; where logs were lost, twice of one partition."""
    told = {place: (a.key, a.alert_id, a.observation.mjd_tai, a.observation.band) for place, a in alerts}
    assert {told[place] for place in published} == set(told.values()), "an alert was never published"
    once = [(told[place], 0 if whole else place[0]) for place in published]
    assert len(once) == len(set(once)), "an alert was published twice"


def is_known(row: np.void, curve: np.ndarray) -> bool:
    """Whether a light curve has an observation, or one of the same time and band that is kept rather than it."""
    return bool(curve_of(np.concatenate([curve, np.array([row], OBSERVATION)])).tobytes() == curve.tobytes())
