"""A lost store is filled again once, whoever sees the loss first and however many see it.

1. A call to the store finds another identity, or none, and raises StoreLostError: from now on nothing is classified
   from it, nor written to it. Each worker calls `mended` until that returns True.
2. One of them gets the claim, appends to each log what the topics have and the log lacks, and gives the store a new
   identity, with a note of which it replaces and how far the topics were read.
3. The others have noted, while they waited, which they knew; they see that it is among them, and join. First each
   appends what was committed after that: a batch of its own may have been written into the store that was lost, and
   committed afterwards.
4. One that has committed such a batch may have stopped, or died, before it saw the loss. So whoever has a partition
   next appends what was committed in it after that, once a partition, see `Takeover`.

Whatever fails or dies on the way is done again; nothing that a log has already is appended.
"""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from broker.errors import StoreLostError
from broker.lightcurves.identity import ANY, Identity, Place, Rebuilt

Alive = Callable[[], None]  # called after each batch of a rebuild, which may take hours


class Refill(Protocol):
    """Append what was committed; see broker.lightcurves.rebuild.refill."""

    def __call__(
        self, read_to: Mapping[Place, int], alive: Alive, places: AbstractSet[Place] | None = None
    ) -> Mapping[Place, int]:
        """From these offsets on, of these partitions alone if there are any; up to which offsets it was read."""


class Known(Protocol):
    """An identity, as far as a takeover looks at it."""

    known: bytes

    def rebuilt(self) -> Rebuilt | None:
        """See Identity."""

    def whole(self) -> AbstractSet[Place]:
        """See Identity."""

    def note_whole(self, places: Collection[Place]) -> None:
        """See Identity."""


def begin(identity: Identity, *, group_has_read: bool) -> None:
    """Know the store when a worker starts; one that is new gets an identity.

    Raises StoreLostError if it has none although the group has read before: it was emptied while no worker ran.
    """
    if identity.join():
        return
    if group_has_read:
        raise StoreLostError(
            "the store has no identity, but the group has read alerts before: its light curves are lost"
        )
    identity.begin()


def mended(identity: Identity, holder: str, refill: Refill, alive: Alive = lambda: None) -> bool:
    """One try to use a lost store again; whether it can be used.

    Args:
        identity: of the store.
        holder: names this worker among all.
        refill: appends what was committed.
        alive: called after each batch.

    Raises:
        StoreLostError: it was emptied again meanwhile.
        TransientError: it is away.
    """

    def still_ours() -> None:
        identity.renew(holder)
        alive()

    if joined(identity, refill, alive):
        return True
    if not identity.claim(holder):
        identity.note_lost()
        return False
    if not joined(identity, refill, alive):  # finished by another between our look and our claim
        identity.mark()
        read_to = refill({}, still_ours)
        identity.renew(holder)
        identity.adopt(read_to)
    identity.give_back(holder)
    return True


def rebuilding(identity: Identity) -> None:
    """The operator begins to rebuild: what is evicted from now on is a loss again."""
    if identity.found() is None:
        identity.mark()


def told_well(identity: Identity, read_to: Mapping[Place, int]) -> None:
    """The operator has rebuilt the store up to these offsets: every worker that waits may join, whatever it knew."""
    if identity.found() is None:
        identity.adopt(read_to, replaces=(ANY,))


def joined(identity: Identity, refill: Refill, alive: Alive = lambda: None) -> bool:
    """Use the store if somebody has rebuilt it; whether that is so. For a worker that waits for the operator, all.

    A worker that starts knows no store: whatever has an identity now has been rebuilt.
    """
    rebuilt, found = identity.rebuilt(), identity.found()
    if rebuilt is None or found is None:
        return False
    if identity.known and not {identity.known.hex(), ANY} & set(rebuilt.replaces):
        return False
    refill(rebuilt.read_to, alive)
    identity.known = found
    return True


class Takeover:
    """Takes partitions over from workers that may have committed, after a rebuild, what they wrote before it.

    Who holds a partition and knows the store as it is now can be followed by nobody who does not, and nobody else
    commits in it. So it is asked for once a partition and rebuild, and nothing where the store was never rebuilt.

    Args:
        identity: of the store.
        refill: appends what was committed.
    """

    def __init__(self, identity: Known, refill: Refill) -> None:
        self._identity, self._refill = identity, refill
        self._of = b""  # the identity of the store that has all that is committed in these partitions
        self._whole: set[Place] = set()

    def take(self, held: AbstractSet[Place], alive: Alive = lambda: None) -> None:
        """Append what the store lacks of these partitions, calling back after each batch. Raises TransientError."""
        if self._of != self._identity.known:
            self._of, self._whole = self._identity.known, set()
        new = held - self._whole
        if not new:
            return
        rebuilt = self._identity.rebuilt()
        if rebuilt is not None and (doubtful := new - self._identity.whole()):
            self._refill(rebuilt.read_to, alive, doubtful)
            self._identity.note_whole(doubtful)
        self._whole |= new
