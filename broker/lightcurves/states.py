"""States as they are cached in the store: a header, the classifier's own bytes, and which rows have been seen.

Law 3: a cached state proves itself. Its checksum begins with the store's identity, the classifier's fingerprint (which
weights, which code, which layouts) and the object, and goes over every byte that follows: what was made by other code,
for another object, in another store, or was damaged, does not fit and is made again from the log. So no stored byte
can raise an error, and deleting every state changes nothing but time.

The rows that were seen are kept only for objects whose alerts bring their history, or have been one so far: four bytes
for each observation, and four more for each detection, sorted. A row that is not there is new; one in some billions is
taken for known by chance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.lightcurves.hashes import U32, U64, checksums
from model.features import CONTEXT

HEADER = np.dtype(
    [
        ("check", "<u8"),
        ("entries", "<u4"),  # of the log, that the state has seen
        ("observations", "<u4"),  # that these are as a set
        ("last_check", "<u4"),  # the checksum of the last of the entries
        ("refreshed_s", "<u4"),  # when the log's expiry was last put off [s since 1970]
        ("last_mjd", "<f8"),  # of the light curve
        ("context", CONTEXT),
        ("last_band", "u1"),  # of the observation at last_mjd
        ("knows_rows", "u1"),  # whether the rows that were seen follow
        ("era", "u1"),  # of the model: see Memory
    ]
)


class States(NamedTuple):
    """The states of b objects."""

    headers: NDArray[np.void]  # [b] of dtype HEADER; zeros where there is none
    bodies: NDArray[np.uint8]  # [b, state_bytes], the classifier's; its start where there is none
    tails: U32  # the rows seen, object after object, sorted within each
    tail_ends: NDArray[np.int64]  # [b]
    there: NDArray[np.bool_]  # [b], whether the object has a state that fits


class Shelf:
    """Reads and writes the states of one classifier in one store.

    Args:
        fingerprint: the classifier's, 8 bytes.
        identity: the store's, 8 bytes.
        start: [state_bytes], the classifier's state before any observation.
    """

    def __init__(self, fingerprint: bytes, identity: bytes, start: NDArray[np.uint8]) -> None:
        self._seed = np.frombuffer(fingerprint, "<u8")[0] ^ np.frombuffer(identity, "<u8")[0]
        self._start = start
        self._padded = -(-len(start) // 8) * 8
        self.size = HEADER.itemsize + self._padded  # bytes of a state without rows

    def read(self, stored: Sequence[bytes | None], salts: U64) -> States:
        """The states [b] that fit, of what is stored."""
        size = self.size
        blank = bytes(size)
        whole = [s if s is not None and len(s) >= size and (len(s) - size) % 4 == 0 else blank for s in stored]
        fixed = np.frombuffer(b"".join([s if len(s) == size else s[:size] for s in whole]), np.uint8)
        fixed = fixed.reshape(len(whole), size).copy()
        lengths = np.fromiter(map(len, whole), np.int64, len(whole)) - size
        tails = np.frombuffer(b"".join([s[size:] for s in whole if len(s) > size]), "<u4")
        ends = np.cumsum(lengths // 4)
        headers = fixed[:, : HEADER.itemsize].copy().view(HEADER)[:, 0]
        there = headers["check"] == self._checks(fixed, tails, ends, salts)
        headers[~there] = np.zeros(1, HEADER)
        bodies = fixed[:, HEADER.itemsize : HEADER.itemsize + len(self._start)]
        bodies[~there] = self._start
        return States(headers, np.ascontiguousarray(bodies), tails, ends, there)

    def write(
        self, headers: NDArray[np.void], bodies: NDArray[np.uint8], tails: U32, ends: NDArray[np.int64], salts: U64
    ) -> list[bytes]:
        """The bytes [b] to store for states, whose arguments are as in States."""
        fixed = np.zeros((len(headers), self.size), np.uint8)
        fixed[:, : HEADER.itemsize] = headers.view(np.uint8).reshape(len(headers), HEADER.itemsize)
        fixed[:, HEADER.itemsize : HEADER.itemsize + bodies.shape[1]] = bodies
        fixed[:, :8] = self._checks(fixed, tails, ends, salts)[:, None].view(np.uint8)
        raw, size = fixed.tobytes(), self.size
        made = [raw[i : i + size] for i in range(0, len(raw), size)]
        if len(tails):
            seen, start = tails.astype("<u4").tobytes(), 0
            for i, end in enumerate((4 * ends).tolist()):
                made[i] += seen[start:end]
                start = end
        return made

    def _checks(self, fixed: NDArray[np.uint8], tails: U32, ends: NDArray[np.int64], salts: U64) -> U64:
        words = np.ascontiguousarray(fixed[:, 8:]).view("<u8")
        return checksums(words, tails, ends, (salts << np.uint64(32)) ^ self._seed)
