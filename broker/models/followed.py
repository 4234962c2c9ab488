"""Two models on the same light curves: one writes them, the other sees what was written and writes no entry.

Whether a state may be stepped on is told by how long the log is once the alert has been appended. So the model that
writes is overheard: what its store answered is what the shadow's store answers, without another round trip.
"""

from collections.abc import Mapping, Sequence

from broker.lightcurves.facts import Facts
from broker.lightcurves.store import LightCurveStore, Refused

Lengths = dict[bytes, tuple[int, int]]  # by object: of its log before and after the batch wrote to it
UNFIT = -1  # no log is so long: the state is not stepped on, and the log is read


class Overheard:
    """The store of the model that writes. What a batch did to the logs is kept until the next one begins.

    Args:
        store: where it is written.
    """

    def __init__(self, store: LightCurveStore) -> None:
        self._store = store
        self.lengths: Lengths = {}

    @property
    def identity(self) -> bytes:
        """See LightCurveStore."""
        return self._store.identity

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore. With this a batch begins."""
        self.lengths.clear()
        return self._store.states(keys)

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """See LightCurveStore."""
        found = self._store.append(entries, refresh)
        for (key, new), length in zip(entries, found, strict=True):
            if isinstance(length, int):
                before, _ = self.lengths.get(key, (length - len(new), 0))
                self.lengths[key] = before, length
        return found

    def prepend(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """See LightCurveStore."""
        self._store.prepend(entries)

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        return self._store.read(keys, most, forget=forget)

    def forget(self, keys: Sequence[bytes]) -> None:
        """See LightCurveStore."""
        self._store.forget(keys)

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        self._store.save(states)

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """See LightCurveStore."""
        return self._store.compact(key, length, entries)

    def ping(self) -> None:
        """See LightCurveStore."""
        self._store.ping()

    def facts(self) -> Facts:
        """See LightCurveStore."""
        return self._store.facts()


class Following:
    """The store of the shadow: its own states, the logs of the other, which it reads and never writes.

    Args:
        store: has the shadow's states.
        heard: of the models that write, what a batch did to the logs.
    """

    def __init__(self, store: LightCurveStore, heard: Sequence[Mapping[bytes, tuple[int, int]]]) -> None:
        self._store, self._heard = store, heard

    @property
    def identity(self) -> bytes:
        """See LightCurveStore."""
        return self._store.identity

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore."""
        return self._store.states(keys)

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """How long the logs are: as if the shadow had appended what the other has, or UNFIT where that was not it."""
        del refresh
        lengths: list[int | Refused] = [UNFIT] * len(entries)
        unheard = []
        for i, (key, new) in enumerate(entries):
            heard = next((one[key] for one in self._heard if key in one), None)
            if heard is None:
                unheard += [] if new else [i]
            elif not new:
                lengths[i] = heard[0]
            elif heard[1] - heard[0] == len(new):
                lengths[i] = heard[1]
        asked = self._store.append([(entries[i][0], ()) for i in unheard], [False] * len(unheard)) if unheard else []
        for i, length in zip(unheard, asked, strict=True):
            lengths[i] = length
        return lengths

    def prepend(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """Nothing: the logs are the other's."""

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        return self._store.read(keys, most, forget=forget)

    def forget(self, keys: Sequence[bytes]) -> None:
        """See LightCurveStore. Of the shadow's states."""
        self._store.forget(keys)

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        self._store.save(states)

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """Nothing: the logs are the other's."""
        del key, length, entries
        return False

    def ping(self) -> None:
        """See LightCurveStore."""
        self._store.ping()

    def facts(self) -> Facts:
        """See LightCurveStore."""
        return self._store.facts()
