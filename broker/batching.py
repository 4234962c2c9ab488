"""When a micro-batch is full: max_size messages, or max_wait_ms, whichever comes first.

The wait counts from the end of the last one, so the time spent on a batch is taken off the wait for the next:
a message that arrives while the service is busy still leaves within max_wait_ms of its arrival plus its batch's time.
"""

from collections.abc import Callable
from typing import Protocol

from broker.message import Message


class Reader(Protocol):
    """Where messages come from."""

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to max_messages, as soon as there are so many or after timeout_s; at once if timeout_s is 0."""


class Batching:
    """Collects messages into micro-batches.

    Args:
        max_size: messages in a batch at most.
        max_wait_ms: how long a message waits for companions at most.
        clock: monotonic seconds.
    """

    def __init__(self, *, max_size: int, max_wait_ms: float, clock: Callable[[], float]) -> None:
        self._max_size = max_size
        self._max_wait_s = max_wait_ms / 1000
        self._clock = clock
        self._closed_at = clock()

    def next(self, reader: Reader) -> list[Message]:
        """The next micro-batch; empty when max_wait_ms went by without a message."""
        left_s = self._closed_at + self._max_wait_s - self._clock()
        batch = reader.read(self._max_size, max(0.0, left_s))
        if not batch and left_s <= 0:  # nothing came while busy: wait a full turn, never spin
            batch = reader.read(self._max_size, self._max_wait_s)
        self._closed_at = self._clock()
        return batch
