"""Waits: since when the oldest unread alert of each partition waits, from where partitions end each time one looks.

No message is read for it: what is unread was not there yet when the partition ended where the group stands now. So its
age is at most the time since then, to the seconds between two looks. Behind the last alert there may be markers of
transactions, which nobody reads and which seem to wait.
"""

from collections.abc import Mapping
from typing import NamedTuple

from broker.web.crew import Waiting

MOST = 500  # looks that are remembered of a partition; of more every other one is forgotten


class Look(NamedTuple):
    """Where a partition ended, and when somebody looked first and last that saw it so [s]."""

    end: int
    first: float
    last: float


class Waits:
    """Remembers what was seen."""

    def __init__(self) -> None:
        self._looks: dict[str, list[Look]] = {}

    def look(self, at: float, ends: Mapping[str, int], done: Mapping[str, int]) -> Waiting | None:
        """How long the oldest unread alert has waited; None where nothing waits.

        Args:
            at: the time [s].
            ends: of each partition, the offset after the last.
            done: where the group stands in each.
        """
        self._looks = {name: seen(self._looks.get(name, []), at, end, done[name]) for name, end in ends.items()}
        late = [
            Waiting(at - (looks[0].last if looks[0].end <= done[name] else looks[0].first), looks[0].end > done[name])
            for name, looks in self._looks.items()
            if ends[name] > done[name]
        ]
        return max(late, key=lambda one: one.seconds, default=None)


def seen(looks: list[Look], at: float, end: int, done: int) -> list[Look]:
    """What is remembered of a partition once it was looked at again: first the last look that saw nothing unread."""
    if looks and looks[-1].end == end:
        looks = [*looks[:-1], looks[-1]._replace(last=at)]
    else:
        looks = [*looks, Look(end, at, at)]
    begin = max((i for i, one in enumerate(looks) if one.end <= done), default=0)
    return looks[begin:] if len(looks) - begin <= MOST else looks[begin::2]
