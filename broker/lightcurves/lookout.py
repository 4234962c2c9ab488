"""The lookout asks what the store says of itself: no batch shows that a key was evicted.

With each batch, after it was planned and before it is committed, one number is asked for: how many keys were evicted.
So nothing is published of what an eviction has left. Everything else is asked every few seconds. How many were evicted
is compared with what was noted in the store when it was begun or rebuilt, so it is seen though it happened while no
worker ran, and of many workers that see it the first makes it a loss for all.
"""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol

from broker.errors import StoreLostError, TransientError
from broker.lightcurves.facts import RIGHTS, Facts
from broker.lightcurves.identity import Identity

LOOK_S = 2.0  # between two looks


class Watched(Protocol):
    """A store that tells what it is."""

    identities: Identity

    def facts(self) -> Facts:
        """What it says of itself. Raises TransientError."""

    def evicted_keys(self) -> int:
        """How many keys were evicted since it started. Raises TransientError."""


class Lookout:
    """Looks after one store.

    Args:
        store: to be asked; an answer is bounded by its timeout.
        say: told after each look what the operator should know, by one of PROBLEMS, and the facts if any are known.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: Watched,
        say: Callable[[Mapping[str, str], Facts | None], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store, self._say, self._clock = store, say, clock
        self._due_s = 0.0
        self._evicted_keys = 0  # at the last look

    def glance(self) -> None:
        """Look at once if keys were evicted. Raises as `look`, also where another worker has made it good since."""
        if self._store.evicted_keys() != self._evicted_keys:
            self._due_s = 0.0
            self.look()
            if self._store.identities.found() != self._store.identities.known:
                raise StoreLostError("the store was rebuilt after an eviction: what was remembered before is lost")

    def look(self) -> None:
        """Look once more, if it is time. Raises StoreLostError where light curves are lost, TransientError."""
        if self._clock() < self._due_s:
            return
        self._due_s = self._clock() + LOOK_S
        try:
            facts = self._store.facts()
        except TransientError as error:  # if it is away, whoever needs it says so
            self._say({RIGHTS: f"whether Redis evicts light curves is not known ({error})"}, None)
            return
        self._evicted_keys = facts.evicted_keys
        self._say(facts.problems(), facts)
        self._compare(facts)

    def _compare(self, facts: Facts) -> None:
        identities = self._store.identities
        marked = identities.marked()
        if lost := facts.loss_since(marked or {}):
            self._due_s = 0.0  # until it is said
            identities.disown()
            raise StoreLostError(lost)
        if marked is None or facts.evictions.keys() - marked.keys():
            identities.mark({run: (marked or {}).get(run, 0) for run in facts.evictions})
