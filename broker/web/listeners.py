"""Listeners: how many pages are told of what happens, in all and of one client."""

import threading
from collections import Counter

MOST, MOST_OF_ONE = 100, 20


class Listeners:
    """Counts them; safe to use from several threads.

    Args:
        most: at once.
        most_of_one: at once from one client.
    """

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Whether one more may listen; then it does."""
        with self._lock:
            if self._here.total() >= self._most or self._here[client] >= self._most_of_one:
                return False
            self._here[client] += 1
            return True

    def leave(self, client: str) -> None:
        """One listens no more."""
        with self._lock:
            self._here[client] -= 1
            if not self._here[client]:
                del self._here[client]
