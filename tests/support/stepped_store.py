"""The light curves of a stepped worker: every call may fail before or after its effect, or in the middle."""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from broker.errors import Reason, StoreLostError
from broker.kafka.batch import Place
from broker.lightcurves.facts import Facts
from broker.lightcurves.identity import ANY, Rebuilt
from broker.lightcurves.loss import Takeover
from broker.lightcurves.rebuild import rebuild
from broker.lightcurves.store import InMemoryLightCurves, Refused
from tests.support.kafka_double import KafkaDouble, fates
from tests.support.reading import READ

LEFT_OUT = (Reason.SET_ASIDE, "duplicate")
Entries = Sequence[tuple[bytes, Sequence[bytes]]]


class SharedStore(InMemoryLightCurves):
    """What all workers write to; it may be lost, and keys may be another's."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 1  # of its identity; 0: it has none, since it was lost
        self.begun = 1
        self.read_to: dict[Place, int] = {}  # by the last rebuild
        self.whole: dict[bytes, set[Place]] = {}  # see Identity; by identity
        self.strange: set[bytes] = set()  # keys that hold another kind of value
        self.evicted = self.marked = 0  # keys: by now, and when the store was begun or rebuilt
        self.before_prepend: Callable[[Entries], None] = lambda _: None

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

    def prepend(self, entries: Entries) -> None:
        """See LightCurveStore."""
        self.before_prepend(entries)
        super().prepend(entries)

    def adopt(self, read_to: Mapping[Place, int]) -> None:
        """It has its light curves again."""
        if not self.number:
            self.read_to = dict(read_to)
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
        self._evicted = store.evicted  # when it looked last
        self._takeover = Takeover(self, self._refill)

    def mend(self, alive: Callable[[], None]) -> bool:
        """See broker.lightcurves.loss: one of them rebuilds, the others append what was committed meanwhile."""
        self._at("mend")
        self._store.adopt(self._refill({}, alive))
        self.identity = self._store.identity
        return True

    def take_over(self, held: AbstractSet[Place], alive: Callable[[], None]) -> None:
        """See broker.lightcurves.loss.Takeover."""
        self._takeover.take(held, alive)

    @property
    def known(self) -> bytes:
        """See Identity."""
        return self.identity

    def rebuilt(self) -> Rebuilt | None:
        """See Identity."""
        return Rebuilt([ANY], self._store.read_to) if self._store.begun > 1 else None

    def whole(self) -> set[Place]:
        """See Identity."""
        self._at("mend")
        return self._store.whole.get(self.identity, set())

    def note_whole(self, places: Collection[Place]) -> None:
        """See Identity."""
        self._store.whole.setdefault(self.identity, set()).update(places)

    def _refill(
        self, read_to: Mapping[Place, int], alive: Callable[[], None], places: AbstractSet[Place] | None = None
    ) -> dict[Place, int]:
        """See broker.lightcurves.rebuild.refill."""
        ends = {(self._kafka.topic, p): end for p, end in enumerate(self._kafka.committed)}
        wanted = sorted(ends if places is None else places)
        left_out = [place for place, said in fates(self._kafka.visible) if said.get("reason") in LEFT_OUT]
        aside = {(self._kafka.topic, p): np.array([o for q, o in left_out if q == p], np.int64) for p, _ in left_out}
        batches = [self._kafka.inputs[place[1]][read_to.get(place, 0) : ends[place]] for place in wanted]
        rebuild(filter(None, batches), READ, self._store, ends=ends, aside=aside)
        return ends

    def glance(self) -> None:
        """See broker.lightcurves.lookout: who sees an eviction first makes it a loss for all."""
        if self._store.evicted != self._store.marked:
            self._store.number = 0
            raise StoreLostError("evicted")
        if self._store.evicted != self._evicted:
            self._evicted = self._store.evicted
            self._watch()

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
