"""The entry: an observation as it stands in an object's log, with the alert and the message that brought it.

Its last byte but four says how it is laid out, and a checksum over object and entry ends it: what was damaged, or
belongs to another object, is left out when a log is read. The same observation brought by the same message is the same
bytes, so a batch that is done again finds what it has already written.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.hashes import checksums
from model.observation import BANDS, OBSERVATION

ENTRY = np.dtype(
    [
        ("mjd_tai", "<f8"),
        ("flux_njy", "<f4"),
        ("flux_err_njy", "<f4"),
        ("alert_id", "<i8"),
        ("offset", "<i8"),
        ("source", "<u4"),  # crc32 of topic and partition
        ("flags", "u1"),  # band in the low 3 bits, DETECTED, HISTORY, then the layout's number
        ("check", "<u4"),
    ]
)
BAND, DETECTED, HISTORY, LAYOUT = 0b111, 0b1000, 0b10000, 0b00100000
LAYOUT_BITS = 0b11100000


def source_of(topic: str, partition: int) -> int:
    """The 32 bits that stand for topic and partition in an entry."""
    return crc32(f"{topic}[{partition}]".encode())


def entries_of(
    rows: NDArray[np.void],
    *,
    alert_ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    sources: NDArray[np.uint32],
    history: NDArray[np.bool_],
    salts: NDArray[np.uint64],
) -> NDArray[np.void]:
    """Observations [m] as entries [m] of dtype ENTRY; everything else is [m] too."""
    made = np.empty(len(rows), dtype=ENTRY)
    for name in ("mjd_tai", "flux_njy", "flux_err_njy"):
        made[name] = rows[name]
    made["alert_id"], made["offset"], made["source"] = alert_ids, offsets, sources
    made["flags"] = rows["band"] | (rows["detected"] * DETECTED) | (history * HISTORY) | LAYOUT
    made["check"] = checks(made, salts)
    return made


def parse(log: Sequence[bytes], salt: int) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """A log as entries [n] of dtype ENTRY, in arrival order, and which [n] of them are good."""
    blank = bytes(ENTRY.itemsize)
    made = np.frombuffer(b"".join(e if len(e) == ENTRY.itemsize else blank for e in log), dtype=ENTRY)
    good = (
        ((made["flags"] & LAYOUT_BITS) == LAYOUT)
        & (made["check"] == checks(made, np.full(len(made), salt, dtype=np.uint64)))
        & ((made["flags"] & BAND) < len(BANDS))
        & np.isfinite(made["mjd_tai"])
        & np.isfinite(made["flux_njy"])
        & (made["flux_err_njy"] > 0)
        & np.isfinite(made["flux_err_njy"])
    )
    return made, good


def checks(made: NDArray[np.void], salts: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """What should stand in `check`, for each entry [m] of the object that a salt [m] stands for."""
    if not len(made):
        return np.empty(0, np.uint32)
    words = np.empty((len(made), 5), dtype=np.uint64)
    raw = np.frombuffer(made.tobytes(), np.uint8).reshape(len(made), ENTRY.itemsize)
    words[:, :4] = np.ascontiguousarray(raw[:, :32]).view("<u8")
    words[:, 4] = made["source"].astype(np.uint64) << np.uint64(8) | made["flags"]
    none = np.zeros(len(made), np.int64)
    return (checksums(words, np.empty(0, np.uint32), none, salts) >> np.uint64(32)).astype(np.uint32)


def observations(made: NDArray[np.void]) -> NDArray[np.void]:
    """The observations [n] of dtype OBSERVATION that entries [n] hold, repeats included."""
    rows = np.empty(len(made), dtype=OBSERVATION)
    for name in ("mjd_tai", "flux_njy", "flux_err_njy"):
        rows[name] = made[name]
    rows["band"] = made["flags"] & BAND
    rows["detected"] = (made["flags"] & DETECTED) != 0
    return rows


def cut(made: NDArray[np.void], counts: NDArray[np.int64]) -> list[list[bytes]]:
    """Entries [s] as bytes, so many a list."""
    raw, size = made.tobytes(), ENTRY.itemsize
    if (counts == 1).all():
        return [[raw[at : at + size]] for at in range(0, len(raw), size)]
    ends = (np.cumsum(counts) * size).tolist()
    starts = [0, *ends[:-1]]
    return [[raw[at : at + size] for at in range(a, b, size)] for a, b in zip(starts, ends, strict=True)]


def cut_all(made: NDArray[np.void]) -> list[bytes]:
    """Entries [s] as bytes."""
    return cut(made, np.array([len(made)]))[0] if len(made) else []
