"""A lost store is filled again once, whoever sees the loss first and however many see it.

1. A call to the store finds another identity, or none, and raises StoreLostError: from now on nothing is classified
   from it, nor written to it. Each worker calls `mended` until that returns True.
2. One of them gets the claim, appends to each log what the topics have and the log lacks, and gives the store a new
   identity, with a note of which it replaces and how far the topics were read.
3. The others see that theirs is among them, and join. First each appends what was committed after that: a batch of
   its own may have been written into the store that was lost, and committed afterwards.

Whatever fails or dies on the way is done again; nothing that a log has already is appended.
"""

from collections.abc import Callable, Mapping

from broker.errors import StoreLostError
from broker.lightcurves.identity import ANY, Identity, Place

# Append what was committed, from these offsets on, calling back after each batch; up to which offsets it was read.
Refill = Callable[[Mapping[Place, int], Callable[[], None]], Mapping[Place, int]]


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


def mended(identity: Identity, holder: str, refill: Refill, alive: Callable[[], None] = lambda: None) -> bool:
    """One try to use a lost store again; whether it can be used.

    Args:
        identity: of the store.
        holder: names this worker among all.
        refill: appends what was committed; see broker.lightcurves.rebuild.refill.
        alive: called after each batch of a rebuild, which may take hours.

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


def joined(identity: Identity, refill: Refill, alive: Callable[[], None] = lambda: None) -> bool:
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
