"""What became of each offset of a span, two bytes an offset: ten million alerts are 20 MB.

Law 7: every offset has one fate. A **gap** has none, a **double** has more than one, or one more than once. Beside the
fates: an anomaly answers a classification that is flagged, and each flagged classification has one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broker.kafka.spans import Span

FATES = ("published", "duplicate", "declined", "dead_letter")
FATE_BITS = {fate: np.uint8(1 << i) for i, fate in enumerate(FATES)}
FLAGGED, ANOMALY = np.uint8(16), np.uint8(32)  # a classification with the flag; a message on the anomalies topic
TWICE, ANOMALY_TWICE = np.uint8(64), np.uint8(128)  # a fate came again; an anomaly came again
ALL_FATES = np.uint8(15)

BYTES = np.arange(256, dtype=np.uint8)
HOW_MANY_FATES = np.bitwise_count(BYTES & ALL_FATES)
WITHOUT_FATE = HOW_MANY_FATES == 0
DOUBLE = (HOW_MANY_FATES > 1) | (BYTES & TWICE > 0)
WITHOUT_ANOMALY = (BYTES & FLAGGED > 0) & (BYTES & ANOMALY == 0)
STRAY_ANOMALY = (BYTES & ANOMALY > 0) & (BYTES & FLAGGED == 0)
DEFECTS = {  # beside gaps, by name: for each byte whether it is one
    "double": DOUBLE,
    "flagged without its anomaly": WITHOUT_ANOMALY,
    "anomaly without its classification": STRAY_ANOMALY,
    "anomaly twice": BYTES & ANOMALY_TWICE > 0,
}


class Ledger:
    """The fates of a span's offsets."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self._seen = np.zeros(span.size, dtype=np.uint8)
        self._held = np.zeros(span.size, dtype=np.bool_)

    def note(self, bits: np.uint8, offsets: Sequence[int]) -> None:
        """Take outputs in that answer offsets; those outside the span are passed over.

        Args:
            bits: one of FATE_BITS, or ANOMALY; FLAGGED beside it where the output is flagged.
            offsets: one an output.
        """
        places = np.asarray(offsets, dtype=np.int64) - self.span.start
        places, counts = np.unique(places[(places >= 0) & (places < len(self._seen))], return_counts=True)
        before = self._seen[places]
        again = (counts > 1) | (before & bits & ~FLAGGED > 0)
        self._seen[places] = before | bits | np.where(again, ANOMALY_TWICE if bits == ANOMALY else TWICE, 0)

    def without_fate(self) -> NDArray[np.int64]:
        """Offsets [n] that no output answers: gaps, or offsets that hold no message."""
        return np.flatnonzero(WITHOUT_FATE[self._seen]) + self.span.start

    def hold(self, offset: int) -> None:
        """Take in that an offset holds a message; what is without a fate and without a message is no gap."""
        self._held[offset - self.span.start] = True

    @property
    def empty(self) -> int:
        """How many offsets hold no message: markers of transactions, aborted messages, compacted ones."""
        return int(np.count_nonzero(WITHOUT_FATE[self._seen] & ~self._held))

    def fates(self) -> dict[str, int]:
        """How many offsets have each fate."""
        return {fate: int(np.count_nonzero(self._seen & bit)) for fate, bit in FATE_BITS.items()}

    def defects(self) -> dict[str, NDArray[np.int64]]:
        """The offsets [n] of each kind of defect."""
        found = {"gap": WITHOUT_FATE[self._seen] & self._held} | {
            name: bad[self._seen] for name, bad in DEFECTS.items()
        }
        return {name: np.flatnonzero(bad) + self.span.start for name, bad in found.items()}

    def seen(self, offset: int) -> str:
        """What was found for one offset, in words."""
        byte = self._seen[offset - self.span.start]
        words = [fate for fate, bit in FATE_BITS.items() if byte & bit]
        words += ["again"] if byte & TWICE else []
        words += ["flagged"] if byte & FLAGGED else []
        words += ["anomaly"] if byte & ANOMALY else []
        return ", ".join(words) or "nothing"
