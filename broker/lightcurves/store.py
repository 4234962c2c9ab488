"""The protocol of the store that keeps light curves, and one in memory.

An object is two keys: a **log** of entries, appended to, and a **state**, the classifier's memory. Law 4: light curves
are sets. Appending is the only write; reading makes the set. Whatever is appended twice counts once. Write first, then
look: of two workers that append at once, the one whose log is longer than it should be sees both.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from broker.lightcurves.facts import KEEPS, Facts


class Refused(NamedTuple):
    """What stands in an object's place where the store refuses a command for that object alone."""

    key: bytes
    reason: str


class LightCurveStore(Protocol):
    """Where logs and states live; keys are b"survey/object", each at most once in a call.

    Every call is one round trip (one a node of a cluster) for all keys. Each raises TransientError when the store is
    away or refuses as a whole; `states` and `append` raise StoreLostError when it is not the one that was known.
    """

    @property
    def identity(self) -> bytes:
        """What this store is: 8 bytes."""

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """The objects' states."""

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """Append to each object's log; how many entries it has then. `refresh` keeps it for another whole life."""

    def prepend(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """Put entries, at least one each, before those of each object's log."""

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """The newest entries of each log, `most` > 0, oldest first; [] for no log. `forget` deletes the states too."""

    def forget(self, keys: Sequence[bytes]) -> None:
        """Delete the objects' states."""

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """Replace the objects' states. They are a cache: one that is refused is logged, and costs time alone."""

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """Put entries, at least one, in the place of a log of `length`, and delete its state; False if it has grown."""

    def ping(self) -> None:
        """Return if the store answers."""

    def facts(self) -> Facts:
        """What the store says of itself."""


class InMemoryLightCurves:
    """A store for tests and for batch work in one process."""

    identity = b"inmemory"

    def __init__(self) -> None:
        self.logs: dict[bytes, list[bytes]] = {}
        self.saved: dict[bytes, bytes] = {}

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore."""
        return [self.saved.get(key) for key in keys]

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """See LightCurveStore. Nothing expires here."""
        lengths: list[int | Refused] = []
        for (key, new), _ in zip(entries, refresh, strict=True):
            if new:
                self.logs.setdefault(key, []).extend(new)
            lengths.append(len(self.logs.get(key, ())))
        return lengths

    def prepend(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """See LightCurveStore."""
        for key, new in entries:
            self.logs[key] = [*new, *self.logs.get(key, [])]

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        if forget:
            self.forget(keys)
        return [self.logs.get(key, [])[-most:] for key in keys]

    def forget(self, keys: Sequence[bytes]) -> None:
        """See LightCurveStore."""
        for key in keys:
            self.saved.pop(key, None)

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        self.saved.update(states)

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """See LightCurveStore."""
        if not entries or len(self.logs.get(key, ())) != length:
            return False
        self.logs[key] = list(entries)
        self.saved.pop(key, None)
        return True

    def ping(self) -> None:
        """See LightCurveStore."""

    def facts(self) -> Facts:
        """See LightCurveStore."""
        return Facts("in memory", 0, 0, KEEPS, 0, append_only_file=True, snapshots=True, saved=True)
