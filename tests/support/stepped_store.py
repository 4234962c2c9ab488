"""The light curves of a stepped worker: every call may fail before or after its effect, or in the middle."""

from collections.abc import Callable, Sequence

from broker.errors import Reason, StoreLostError
from broker.lightcurves.facts import Facts
from broker.lightcurves.rebuild import rebuild
from broker.lightcurves.store import InMemoryLightCurves, Refused
from tests.support.kafka_double import KafkaDouble, fates
from tests.support.reading import READ

Entries = Sequence[tuple[bytes, Sequence[bytes]]]


class SharedStore(InMemoryLightCurves):
    """What all workers write to; it may be lost, and keys may be another's."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 1  # of its identity; 0: it has none, since it was lost
        self.begun = 1
        self.strange: set[bytes] = set()  # keys that hold another kind of value
        self.evicted = self.marked = 0  # keys: by now, and when the store was begun or rebuilt

    @property
    def identity(self) -> bytes:  # type: ignore[override]
        return b"store%03d" % self.number

    def lose(self) -> None:
        """All is gone."""
        self.logs.clear()
        self.saved.clear()
        self.number = 0

    def evict(self, key: bytes) -> None:
        """Memory is short: an object goes, its log and its state."""
        self.logs.pop(key, None)
        self.saved.pop(key, None)
        self.evicted += 1

    def adopt(self) -> None:
        """It has its light curves again."""
        if not self.number:
            self.begun += 1
            self.number = self.begun
            self.marked = self.evicted


class SteppedStore:
    """One worker's view of it.

    Args:
        at: called before each step.
        store: what is shared.
        kafka: has what a lost store is rebuilt from.
    """

    def __init__(self, at: Callable[[str], None], store: SharedStore, kafka: KafkaDouble) -> None:
        self._at, self._store, self._kafka = at, store, kafka
        self.identity = store.identity

    def mend(self, alive: Callable[[], None]) -> bool:
        """See broker.lightcurves.loss: one of them rebuilds, the others append what was committed meanwhile."""
        self._at("mend")
        committed = zip(self._kafka.inputs, self._kafka.committed, strict=True)
        aside = {
            (self._kafka.topic, *place)
            for place, said in fates(self._kafka.visible)
            if said.get("reason") == Reason.SET_ASIDE
        }
        rebuild([messages[:end] for messages, end in committed], READ, self._store, aside=aside)
        self._store.adopt()
        self.identity = self._store.identity
        return True

    def glance(self) -> None:
        """See broker.lightcurves.lookout: who sees an eviction first makes it a loss for all."""
        if self._store.evicted != self._store.marked:
            self._store.number = 0
            raise StoreLostError("evicted")

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore."""
        self._at("states")
        self._watch()
        return self._store.states(keys)

    def append(self, entries: Entries, refresh: Sequence[bool]) -> list[int | Refused]:
        """See LightCurveStore. Others may append between two objects, and before the answer comes."""
        self._watch()
        lengths: list[int | Refused] = []
        for i, (one, fresh) in enumerate(zip(entries, refresh, strict=True)):
            if i % 2 == 0:  # a failure may leave some objects written and others not
                self._at("append")
                self._watch()
            if one[0] in self._store.strange:
                lengths.append(Refused(one[0], "another's"))
            else:
                lengths += self._store.append([one], [fresh])
        self._at("appended")
        return lengths

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        self._at("recall")
        found = self._store.read(keys, most, forget=forget)
        return [
            Refused(key, "another's") if key in self._store.strange else log
            for key, log in zip(keys, found, strict=True)
        ]

    def prepend(self, entries: Entries) -> None:
        """See LightCurveStore."""
        self._store.prepend(entries)

    def forget(self, keys: Sequence[bytes]) -> None:
        """See LightCurveStore."""
        self._store.forget(keys)

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        self._at("save")
        self._store.save(states)
        self._at("saved")

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """See LightCurveStore."""
        return self._store.compact(key, length, entries)

    def ping(self) -> None:
        """See LightCurveStore."""

    def facts(self) -> Facts:
        """See LightCurveStore."""
        return self._store.facts()

    def _watch(self) -> None:
        if self._store.identity != self.identity or not self._store.number:
            raise StoreLostError("it is another one")
