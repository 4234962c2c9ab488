"""Light curves in a Redis that a test has."""

from typing import Any

from pydantic import SecretStr

from broker.config import Redis
from broker.connections import redis_servers
from broker.lightcurves.redis_store import RedisLightCurves


def store_at(
    url: str, prefix: str = "misweeper:", *, cluster: bool = False, timeout_s: float = 5.0, **options: Any
) -> RedisLightCurves:
    """The store, not yet connected; `options` are those of RedisLightCurves."""
    servers = redis_servers(Redis(url=SecretStr(url), cluster=cluster, prefix=prefix, timeout_s=timeout_s))
    return RedisLightCurves(servers, prefix=prefix, **options)
