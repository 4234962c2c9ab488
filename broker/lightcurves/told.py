"""The alerts of a batch with the messages that brought them: as columns, and one by one for what is rare."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Batch
from broker.lightcurves.entries import source_of
from model.alerts import Alerts


@dataclass(slots=True)
class Messages:
    """Where the alerts [n] of a batch stood."""

    sources: NDArray[np.uint32]  # [n], the partition as entries name it
    offsets: NDArray[np.int64]  # [n]
    again: NDArray[np.bool_]  # [n], whether the message may have been written down before

    @classmethod
    def of(cls, batch: Batch, alerts: Alerts) -> Self:
        """Where the alerts of a batch stood."""
        sources = np.array([source_of(*place) for place in batch.places], np.uint32)
        which = alerts.message
        return cls(sources[batch.place[which]], batch.offsets[which], batch.again[which])

    def some(self, which: NDArray[np.int64]) -> Self:
        """Where some of the alerts [k] stood."""
        return type(self)(self.sources[which], self.offsets[which], self.again[which])


class Told(NamedTuple):
    """One alert, as the planning of its object needs it."""

    alert: int  # among the alerts of the batch
    alert_id: int
    source: int  # which partition brought it, as entries have it
    offset: int
    rows: NDArray[np.void]  # of dtype OBSERVATION: its history, then its own
    context: NDArray[np.void]  # one, of dtype CONTEXT


def told_of(alerts: Alerts, messages: Messages, owner: NDArray[np.int64], wanted: set[int]) -> dict[int, list[Told]]:
    """The alerts of some objects, one by one."""
    told: dict[int, list[Told]] = {o: [] for o in wanted}
    starts = alerts.starts
    for i in np.flatnonzero(np.isin(owner, list(wanted))).tolist():
        told[int(owner[i])].append(
            Told(
                i,
                int(alerts.alert_ids[i]),
                int(messages.sources[i]),
                int(messages.offsets[i]),
                alerts.rows[starts[i] : alerts.ends[i]],
                alerts.contexts[i : i + 1],
            )
        )
    return told
