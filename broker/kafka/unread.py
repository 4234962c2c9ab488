"""What of each held partition is not committed yet: how much that is, and since when the oldest of it waits.

Where partitions end librdkafka knows from each fetch, and tells every few seconds; nobody is asked for it. Behind the
last message there may be the marks of transactions, which are no messages: a partition whose fetches have reached its
end, with nothing in hand, has nothing unread. When the oldest unread message came is not known before it is read, only
that it was after the last one that is committed, and after the moment when nothing was unread: so its age is at most
what is said here.
"""

import json
import time
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from broker.kafka.batch import Batch, Place
from broker.metrics import Behind, Partitions


class Unread:
    """Keeps account of the partitions that are held.

    Args:
        partitions: told of each.
        now_ms: the clock [ms since 1970].
    """

    def __init__(
        self, partitions: Partitions | None = None, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self.partitions = partitions or Partitions()
        self._now_ms = now_ms
        self._held: frozenset[Place] = frozenset()
        self._stands: dict[Place, int] = {}  # the first offset that is not committed, as far as we know
        self._read: dict[Place, int] = {}  # behind the last offset that was read
        self._since_ms: dict[Place, int] = {}  # the oldest unread message is not older

    def hold(self, places: Collection[Place]) -> None:
        """These are held from now on, and no others."""
        self._held = frozenset(places)
        for known in (self._stands, self._read, self._since_ms):
            for place in known.keys() - self._held:
                del known[place]
        self.partitions.each = {place: one for place, one in self.partitions.each.items() if place in self._held}

    def read(self, batch: Batch) -> None:
        """Messages were read: the first of a partition says where the group stood."""
        for place, first, last in batch.bounds():
            self._read[place] = max(last + 1, self._read.get(place, 0))
            if place not in self._stands:
                self._stands[place] = first
                ours = batch.place == batch.places.index(place)
                self._came(place, int(batch.timestamps_ms[ours][0]))

    def committed(self, batch: Batch) -> None:
        """A batch is committed."""
        latest = np.zeros(len(batch.places), np.int64)
        np.maximum.at(latest, batch.place, batch.timestamps_ms)
        at = dict(zip(batch.places, latest.tolist(), strict=True))
        for place, _, last in batch.bounds():
            if place in self._held:
                self._stands[place] = max(last + 1, self._stands.get(place, 0))
                self._came(place, at[place])

    def told(self, statistics: str) -> None:
        """Librdkafka says how it goes; its `stats_cb`."""
        found = {}
        for topic, of_topic in json.loads(statistics).get("topics", {}).items():
            for number, one in of_topic["partitions"].items():
                if (place := (topic, int(number))) in self._held:
                    found[place] = self._behind(place, one)
        self.partitions.each = {place: one for place, one in found.items() if one is not None}

    def _behind(self, place: Place, one: dict[str, Any]) -> Behind | None:
        """One partition; None where nothing is known of it."""
        end = one["ls_offset"] if one["ls_offset"] >= 0 else one["hi_offset"]
        fetched, waiting = one["next_offset"], one["fetchq_cnt"]
        stands = self._stands.get(place, one["committed_offset"])
        if stands < 0:
            stands = fetched - waiting
        if end < 0 or stands < 0:
            return None
        if waiting == 0 and fetched >= end and self._read.get(place, 0) <= stands:
            self._came(place, self._now_ms())
            return Behind(0, end, None)
        return Behind(max(0, end - stands), end, self._since_ms.get(place, 0))

    def _came(self, place: Place, at_ms: int) -> None:
        """What is unread of a partition came later."""
        self._since_ms[place] = max(at_ms, self._since_ms.get(place, 0))
