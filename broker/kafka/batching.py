"""When a micro-batch is full: max_size messages, or max_wait_ms, whichever comes first.

The wait is for the answer, not for companions alone. A message may have come at any time since the last batch was
closed, and its own batch will take about as long as the last one did: both are taken off the wait. So an answer is
committed within max_wait_ms while a batch takes less than half of it, and batches follow each other when it takes more.
"""

from collections.abc import Callable
from typing import Protocol

from broker.kafka.message import Message


class Reader(Protocol):
    """Where messages come from."""

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to max_messages, as soon as there are so many or after timeout_s; at once if timeout_s is 0."""


class Batching:
    """Collects messages into micro-batches.

    Args:
        max_size: messages in a batch at most.
        max_wait_ms: how long a message waits for its answer, where a batch takes no longer than half of it.
        way_ms: of this, how long alert and answer are on their way through Kafka; at most half of it.
        clock: monotonic seconds.
    """

    def __init__(self, *, max_size: int, max_wait_ms: float, clock: Callable[[], float], way_ms: float = 0.0) -> None:
        self._max_size = max_size
        self._max_wait_s = max(max_wait_ms - way_ms, max_wait_ms / 2) / 1000
        self._clock = clock
        self._closed_at = clock()

    def next(self, reader: Reader) -> list[Message]:
        """The next micro-batch; empty when max_wait_ms went by without a message."""
        busy_s = self._clock() - self._closed_at
        left_s = self._max_wait_s - 2 * busy_s
        batch = reader.read(self._max_size, max(0.0, left_s))
        if not batch and left_s <= 0:  # nothing came while busy: wait a full turn, never spin
            batch = reader.read(self._max_size, self._max_wait_s)
        self._closed_at = self._clock()
        return batch
