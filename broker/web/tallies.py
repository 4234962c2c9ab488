"""Tallies of a night that may have any number of answers: quantiles and a number of objects, in little memory."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

EDGES_S = np.geomspace(0.001, 1e6, 901)  # each 2.3 % above the one before
HASH_BYTES = 8  # two of 10^8 objects share one with a chance of 1 in 4,000
AT_ONCE = 1_000_000


class Latencies:
    """Counts in bins; what is longer than twelve days is as long."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(EDGES_S) + 1, np.int64)

    def add(self, latency_s: float) -> None:
        """One more."""
        self._counts[np.searchsorted(EDGES_S, latency_s)] += 1

    def quantile_s(self, share: float) -> float:
        """What this share of them is not above, to 2.3 %; NaN where there is none."""
        total = int(self._counts.sum())
        if not total:
            return np.nan
        place = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return float(EDGES_S[min(place, len(EDGES_S) - 1)])


class Distinct:
    """How many different names there were: eight bytes each are kept, a hash."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._kept = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def add(self, *parts: str) -> None:
        """A name, of one or more parts."""
        self._new.add(hash_of(parts))
        if len(self._new) >= self._at_once:
            self._merge()

    def count(self) -> int:
        """How many."""
        self._merge()
        return len(self._kept)

    def _merge(self) -> None:
        self._kept = np.union1d(self._kept, np.fromiter(self._new, np.uint64, len(self._new)))
        self._new.clear()


def hash_of(parts: Iterable[str]) -> int:
    """A number of 64 bits for a name in parts."""
    text = "\0".join(parts).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=HASH_BYTES).digest())
