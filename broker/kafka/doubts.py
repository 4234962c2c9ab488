"""Which messages may have been written to the store before they are read: by a former owner, or by us."""

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Batch, Place


class Doubts:
    """Marks them: the first of a partition after it was assigned, and all that is read again.

    A former owner is known only by what it can have had in flight. One that is expelled, and does not know it yet, may
    write more: so a message that is not marked was not written by a living owner, and no more is said.

    Args:
        messages: a former owner can have had in flight.
        nbytes: which these can have had; whichever of the two is over first.
    """

    def __init__(self, messages: int, nbytes: int) -> None:
        self._messages, self._bytes = messages, nbytes
        self._left: dict[Place, tuple[int, int]] = {}  # messages and bytes still in doubt after an assignment
        self._seen: dict[Place, int] = {}  # behind the last offset that was handed out
        self._until: dict[Place, int] = {}  # before this offset everything has been handed out before

    def assigned(self, place: Place) -> None:
        """A partition is ours from now on."""
        self.forget(place)
        self._left[place] = self._messages, self._bytes

    def forget(self, place: Place) -> None:
        """A partition is ours no more."""
        for by_place in (self._left, self._seen, self._until):
            by_place.pop(place, None)

    def read_again(self) -> None:
        """All that was handed out may be handed out again."""
        self._until |= self._seen

    def marks(self, batch: Batch) -> NDArray[np.bool_]:
        """[n] The marks of a batch that is handed out now."""
        until = np.zeros(len(batch.places), np.int64)
        for i, (place, _, last) in enumerate(batch.bounds()):
            until[i] = self._until.get(place, 0)
            if place in self._left:
                until[i] = last + 1
                self._take_off(place, [batch.values[k] for k in np.flatnonzero(batch.place == i)])
            self._seen[place] = max(self._seen.get(place, 0), last + 1)
        return batch.offsets < until[batch.place]

    def _take_off(self, place: Place, values: list[bytes | None]) -> None:
        messages, nbytes = self._left[place]
        messages -= len(values)
        nbytes -= sum(map(len, filter(None, values)))
        if messages > 0 and nbytes > 0:
            self._left[place] = messages, nbytes
        else:
            del self._left[place]
