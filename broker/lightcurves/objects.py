"""The objects of a batch as columns: what is stored of each, and whether its state may be stepped on."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.hashes import U64, salts
from broker.lightcurves.states import Shelf, States
from broker.lightcurves.store import Refused
from broker.lightcurves.told import Messages
from model.alerts import Alerts
from model.features import CONTEXT

Flags = NDArray[np.bool_]
Stored = Sequence[bytes | Refused | None]


@dataclass(slots=True)
class Objects:
    """The b objects of a batch of n alerts. What is found out while the batch is planned is noted here."""

    alerts: Alerts  # n
    messages: Messages  # n
    owner: NDArray[np.int64]  # [n], the object of each alert
    keys: list[bytes]  # [b]
    salts: U64  # [b]
    states: States  # b
    history: Flags  # [b], whether an alert brings more than its own observation
    knows: Flags  # [b], whether the rows that it has seen are kept
    fits: Flags  # [b], whether its state may be stepped on, as far as is known
    refused: dict[int, str]  # objects that the store refuses, and why
    unreadable: int = 0  # entries of logs
    new_rows: int = 0  # that were appended
    causes: dict[int, str] = field(default_factory=dict)  # why objects do not fit
    repeats: dict[int, tuple[bytes, int, list[bytes]]] = field(default_factory=dict)  # logs to be rewritten

    @classmethod
    def of(cls, alerts: Alerts, messages: Messages, read_states: Callable[[list[bytes]], Stored], shelf: Shelf) -> Self:
        """The objects of a batch; the store is asked for their states, once."""
        keys, owner = alerts.grouped()
        salt = salts(keys)
        stored = read_states(keys)
        states = shelf.read([None if isinstance(one, Refused) else one for one in stored], salt)
        alone = np.bincount(owner, minlength=len(keys))
        history = np.bincount(owner, alerts.ends - alerts.starts, len(keys)) > alone
        # A first alert has no history yet: its row is kept until the second shows whether the object's alerts bring it.
        kept = np.where(states.there, states.headers["observations"] > 1, alone == 1)
        knows = np.where(states.there, states.headers["knows_rows"] > 0, True) & (history | kept)
        objects = cls(alerts, messages, owner, keys, salt, states, history, knows, ~(history & ~knows), {})
        objects.fits[owner[objects.of_another_context()]] = False
        for o, one in enumerate(stored):
            if isinstance(one, Refused):
                objects.refuse(o, one)
        return objects

    def __len__(self) -> int:
        return len(self.keys)

    def refuse(self, o: int, refused: Refused) -> None:
        """The store refuses an object: its alerts are set aside."""
        self.refused[o] = refused.reason
        self.fits[o] = False

    def note(self, cause: str) -> None:
        """Objects that do not fit, and did before, do so for this cause."""
        for o in np.flatnonzero(~self.fits).tolist():
            self.causes.setdefault(o, cause if self.states.there[o] else "no_state")

    def causes_of(self, recalled: Iterable[int]) -> Counter[str]:
        """Why these objects did not fit, and how many of them."""
        return Counter(self.causes[o] for o in recalled)

    def again(self) -> Flags:
        """Which objects [b] have an alert that may have been written down before."""
        found = np.zeros(len(self), np.bool_)
        found[self.owner[self.messages.again]] = True
        return found

    def of_another_context(self) -> Flags:
        """Which alerts [n] have another context than their object's state, or than its first alert."""
        first = np.full(len(self), -1)
        first[self.owner[::-1]] = np.arange(len(self.owner))[::-1]
        there = self.states.there
        assumed = self.states.headers["context"].copy()
        assumed[~there] = self.alerts.contexts[first[~there]]
        told = np.frombuffer(self.alerts.contexts.tobytes(), np.uint8).reshape(-1, CONTEXT.itemsize)
        known = np.frombuffer(assumed.tobytes(), np.uint8).reshape(-1, CONTEXT.itemsize)
        differs: Flags = (told != known[self.owner]).any(axis=1)
        return differs

    def alert_of_row(self) -> NDArray[np.int64]:
        """The alert [m] of each row of the alerts."""
        return np.repeat(np.arange(len(self.alerts)), self.alerts.ends - self.alerts.starts)
