"""Round trips to Redis, timed: each call to its servers, of however many commands."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from broker.errors import TransientError
from broker.lightcurves.resp import Answer
from broker.lightcurves.routing import Answers, Head, Servers, Tail


class TimedServers:
    """See Servers; between them and whoever asks.

    Args:
        servers: who answers.
        took: told how long each round trip took [s].
        failed: called for each that came to nothing.
    """

    def __init__(self, servers: Servers, took: Callable[[float], None], failed: Callable[[], None]) -> None:
        self._servers, self._took, self._failed = servers, took, failed
        self.tags, self.one_slot = servers.tags, servers.one_slot

    def exchange(
        self, keys: Sequence[bytes], commands: Sequence[bytes], head: Head | None = None, tail: Tail | None = None
    ) -> Answers:
        """See Servers."""
        with self._timed():
            return self._servers.exchange(keys, commands, head, tail)

    def each(self, command: bytes) -> list[tuple[str, Answer]]:
        """See Servers."""
        with self._timed():
            return self._servers.each(command)

    def close(self) -> None:
        """See Servers."""
        self._servers.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = perf_counter()
        try:
            yield
        except TransientError:
            self._failed()
            raise
        self._took(perf_counter() - began)
