"""Light curves in Redis or Valkey: a list of entries and a state, two keys an object.

The object's name is the keys' hash tag, so both live in one slot of a Redis Cluster. A list keeps 41-byte entries in
packed nodes: 43 bytes an observation, and its length and its last entries are read without the rest. In the
steady state an alert costs RPUSH of one entry, LRANGE of one, GET and SET of the state: O(1) bytes, one round trip to
write and read, one to save.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from broker.errors import TransientError
from broker.lightcurves.store import Tail

if TYPE_CHECKING:
    from redis.client import Pipeline

DAY_S = 86_400


class RedisLightCurves:
    """A LightCurveStore over a Redis client whose answers are bytes.

    Args:
        client: connected or not; connections are made when needed.
        prefix: of every key, so that several services can share a server.
        curve_ttl_days: how long an object is kept after its last alert.
        state_ttl_days: how long its state is; without it the next alert recomputes the curve.
    """

    def __init__(
        self,
        client: redis.Redis | redis.RedisCluster,
        *,
        prefix: str = "misweeper:",
        curve_ttl_days: int = 400,
        state_ttl_days: int = 60,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._curve_ttl_s = curve_ttl_days * DAY_S
        self._state_ttl_s = state_ttl_days * DAY_S

    def append(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, Tail]:
        """See LightCurveStore."""
        with self._pipeline() as pipe:
            for key, new in entries.items():
                log = self._log(key)
                pipe.rpush(log, *new)
                pipe.expire(log, self._curve_ttl_s)
                pipe.lrange(log, -len(new) - 1, -len(new) - 1)
                pipe.get(self._state(key))
            answers = pipe.execute()
        return {
            key: Tail(length, previous[0] if previous else None, state)
            for key, length, previous, state in zip(entries, answers[0::4], answers[2::4], answers[3::4], strict=True)
        }

    def read(self, keys: Iterable[str]) -> dict[str, list[bytes]]:
        """See LightCurveStore."""
        keys = list(keys)
        with self._pipeline() as pipe:
            for key in keys:
                pipe.lrange(self._log(key), 0, -1)
            return dict(zip(keys, pipe.execute(), strict=True))

    def save(self, states: Mapping[str, bytes]) -> None:
        """See LightCurveStore."""
        with self._pipeline() as pipe:
            for key, state in states.items():
                pipe.set(self._state(key), state, ex=self._state_ttl_s)
            pipe.execute()

    def ping(self) -> None:
        """See LightCurveStore."""
        with unavailable_is_transient():
            self._client.ping()

    def _log(self, key: str) -> str:
        return f"{self._prefix}{{{key}}}:log"

    def _state(self, key: str) -> str:
        return f"{self._prefix}{{{key}}}:state"

    @contextmanager
    def _pipeline(self) -> Iterator["Pipeline"]:
        with unavailable_is_transient(), self._client.pipeline(transaction=False) as pipe:
            yield pipe


@contextmanager
def unavailable_is_transient() -> Iterator[None]:
    """Every refusal of Redis is worth another try: away, loading, out of memory, read-only after a failover."""
    try:
        yield
    except redis.RedisError as error:
        raise TransientError("redis", str(error)) from error
