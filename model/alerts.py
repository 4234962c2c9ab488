"""Alerts: what the packets of a micro-batch mean, as a few arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Alerts:
    """A micro-batch's alerts, n of them with m observations in all, in the order in which they were read."""

    message: NDArray[np.int64]  # [n], which message of the batch each was, ascending
    alert_ids: NDArray[np.int64]  # [n]
    objects: Sequence[bytes]  # [n], b"survey/objectId": names the object among all surveys, in Kafka and in Redis
    rows: NDArray[np.void]  # [m] of dtype OBSERVATION, alert after alert: its history, then its own observation
    ends: NDArray[np.int64]  # [n], where each alert's rows end
    contexts: NDArray[np.void]  # [n] of dtype CONTEXT
    places_deg: NDArray[np.float64]  # [n, 2], right ascension and declination, ICRS; NaN where unknown
    sent_ms: NDArray[np.int64]  # [n], when the producer sent it [ms since 1970]; 0 where nobody says

    def __len__(self) -> int:
        return len(self.message)

    @property
    def starts(self) -> NDArray[np.int64]:
        """[n], where each alert's rows begin."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])[: len(self.ends)]

    @property
    def own(self) -> NDArray[np.void]:
        """[n] of dtype OBSERVATION: the observation that each alert is about."""
        return self.rows[self.ends - 1]

    def grouped(self) -> tuple[list[bytes], NDArray[np.int64]]:
        """The objects [b] that the alerts are of, by first appearance, and which of them each alert [n] is of."""
        index: dict[bytes, int] = {}
        owner = np.fromiter((index.setdefault(o, len(index)) for o in self.objects), np.int64, len(self))
        return list(index), owner

    def take(self, which: NDArray[np.int64]) -> "Alerts":
        """Some of the alerts [k], by ascending index; of their rows the own observation alone."""
        if len(which) == len(self) == len(self.rows):
            return self
        return self._with(which, self.own[which], np.arange(1, len(which) + 1))

    def whole(self, which: NDArray[np.int64]) -> "Alerts":
        """Some of the alerts [k], by ascending index, with all their rows."""
        if len(which) == len(self):
            return self
        counts = self.ends - self.starts
        chosen = np.zeros(len(self), np.bool_)
        chosen[which] = True
        return self._with(which, self.rows[np.repeat(chosen, counts)], np.cumsum(counts[which]))

    def _with(self, which: NDArray[np.int64], rows: NDArray[np.void], ends: NDArray[np.int64]) -> "Alerts":
        return Alerts(
            message=self.message[which],
            alert_ids=self.alert_ids[which],
            objects=[self.objects[i] for i in which.tolist()],
            rows=rows,
            ends=ends,
            contexts=self.contexts[which],
            places_deg=self.places_deg[which],
            sent_ms=self.sent_ms[which],
        )
