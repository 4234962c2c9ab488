"""What is kept of every object, and the protocol of the store that keeps it.

An object is two keys: a **log** of entries, appended to and never rewritten, and a **state**, the classifier's memory.
An entry is an observation with the alert and the message that brought it, and a random stamp. The log is in arrival
order, so "the light curve up to and with this alert" is a prefix of it (law 5), the same after any crash.

Law 4: light curves are sets. Appending is the only write; reading makes the set. Whatever is appended twice counts
once. Write first, then read: of two workers that append at once, the one that reads last sees both.
"""

from collections.abc import Iterable, Mapping, Sequence
from secrets import randbits
from struct import Struct
from typing import NamedTuple, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from broker.errors import TransientError
from broker.kafka.message import Message
from model.observation import OBSERVATION, Alert, Observation

ENTRY = np.dtype(
    [
        ("mjd_tai", "<f8"),
        ("flux_njy", "<f4"),
        ("flux_err_njy", "<f4"),
        ("alert_id", "<i8"),
        ("offset", "<i8"),
        ("source", "<u4"),  # crc32 of topic and partition
        ("stamp", "<u4"),  # random for each append: no two appends leave the same bytes
        ("flags", "u1"),  # band in the low 3 bits, then DETECTED and HISTORY
    ]
)
PACKED_ENTRY = Struct("<dffqqIIB")  # the same, for one at a time
DETECTED = 0b01000
HISTORY = 0b10000  # came in an alert's history, not as its own observation
BAND = 0b00111


class Arrival(NamedTuple):
    """An alert and the message that brought it."""

    message: Message
    alert: Alert

    @property
    def key(self) -> str:
        """Names the object among all surveys."""
        return f"{self.alert.survey}/{self.alert.object_id}"


class Tail(NamedTuple):
    """What an append tells of an object, O(1) bytes however long its light curve."""

    length: int  # entries in the log, those just appended included
    previous: bytes | None  # the entry before those just appended
    state: bytes | None


class LightCurveStore(Protocol):
    """Where logs and states live. Every call is one round trip; each raises TransientError when the store is away."""

    def append(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, Tail]:
        """Append each object's entries to its log, then tell its tail."""

    def read(self, keys: Iterable[str]) -> dict[str, list[bytes]]:
        """The whole log of each object; empty where there is none."""

    def save(self, states: Mapping[str, bytes]) -> None:
        """Replace the objects' states. They are a cache: losing them costs time alone."""

    def ping(self) -> None:
        """Return if the store answers."""


class InMemoryLightCurves:
    """A store for tests and for batch work in one process."""

    def __init__(self) -> None:
        self.logs: dict[str, list[bytes]] = {}
        self.states: dict[str, bytes] = {}

    def append(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, Tail]:
        """See LightCurveStore."""
        tails = {}
        for key, new in entries.items():
            log = self.logs.setdefault(key, [])
            previous = log[-1] if log else None
            log.extend(new)
            tails[key] = Tail(len(log), previous, self.states.get(key))
        return tails

    def read(self, keys: Iterable[str]) -> dict[str, list[bytes]]:
        """See LightCurveStore."""
        return {key: list(self.logs.get(key, ())) for key in keys}

    def save(self, states: Mapping[str, bytes]) -> None:
        """See LightCurveStore."""
        self.states.update(states)

    def ping(self) -> None:
        """See LightCurveStore."""


def source_of(message: Message) -> int:
    """The 32 bits that stand for topic and partition in an entry."""
    return crc32(f"{message.topic}[{message.partition}]".encode())


def entry(arrival: Arrival, observation: Observation, *, history: bool = False) -> bytes:
    """One observation of an arrival as the bytes of its entry."""
    return PACKED_ENTRY.pack(
        observation.mjd_tai,
        observation.flux_njy,
        observation.flux_err_njy,
        arrival.alert.alert_id,
        arrival.message.offset,
        source_of(arrival.message),
        randbits(32),
        observation.band | (DETECTED if observation.detected else 0) | (HISTORY if history else 0),
    )


def entries(log: Sequence[bytes]) -> NDArray[np.void]:
    """A log as a structured array [n] of dtype ENTRY, in arrival order."""
    return np.frombuffer(b"".join(log), dtype=ENTRY)


def observations(log: NDArray[np.void]) -> NDArray[np.void]:
    """The observations [n] of a log [n], one an entry, repeats included."""
    rows = np.empty(len(log), dtype=OBSERVATION)
    for name in ("mjd_tai", "flux_njy", "flux_err_njy"):
        rows[name] = log[name]
    rows["band"] = log["flags"] & BAND
    rows["detected"] = (log["flags"] & DETECTED) != 0
    return rows


def observation_bytes(one: bytes) -> bytes:
    """The bytes of one entry's observation, dtype OBSERVATION: what `observations` gives for it."""
    flags = one[-1]
    return one[:16] + bytes((flags & BAND, (flags & DETECTED) != 0))


def first_seen(log: NDArray[np.void], arrival: Arrival) -> int:
    """Index of the entry in which an arrival's alert was first seen, by this message or by another.

    Raises TransientError if the log has no such entry: it was lost between the write and the read.
    """
    own = arrival.alert.observation
    same = (
        (log["alert_id"] == arrival.alert.alert_id)
        & (log["mjd_tai"] == own.mjd_tai)
        & ((log["flags"] & BAND) == own.band)
        & ((log["flags"] & HISTORY) == 0)
    )
    found = np.flatnonzero(same)
    if not len(found):
        raise TransientError("redis", f"the light curve of {arrival.key} was lost while it was being written")
    return int(found[0])


def brought_by(row: np.void, message: Message) -> bool:
    """Whether this very message left the entry: a redelivery, where another message with the alert is a duplicate."""
    return bool(row["source"] == source_of(message) and row["offset"] == message.offset)
