"""What goes wrong on a bad day: each fault begins, lasts, and is over when its function returns."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import redis

from broker.embedded import Servers
from broker.lightcurves.entries import ENTRY, LAYOUT, checks
from broker.lightcurves.hashes import salts
from broker.packets.framings import encode
from tests.chaos.alerts import Sending, curve
from tests.support.service import Worker

T = TypeVar("T")

WRONG_TYPE = "wrong-typed"  # in the names of objects whose key in Redis is another's
GIANT = "giant"
SOME = 200  # keys that are damaged
GIANTS_ALERTS, HISTORY = 40, 10_000
LASTS_S = (2.0, 6.0)
DELETE_ANOTHERS = "if redis.call('TYPE', KEYS[1]).ok ~= 'list' then return redis.call('DEL', KEYS[1]) end"
KINDS = {
    "string": lambda client, key: client.set(key, "text"),
    "hash": lambda client, key: client.hset(key, "field", "text"),
    "stream": lambda client, key: client.xadd(key, {"field": "text"}),
}


@dataclass
class Day:
    """What faults need.

    Args:
        servers: Kafka and Redis.
        prefix: of the keys in Redis.
        workers: of the service.
        send: puts alerts into the stream.
        committed: returns once all that was sent is.
        look_after: starts a worker that has ended.
        rng: decides.
    """

    servers: Servers
    prefix: str
    workers: list[Worker]
    send: Callable[[list[Sending]], None]
    committed: Callable[[], object]
    look_after: Callable[[Worker], None]
    rng: random.Random
    made: int = 0  # special objects

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.servers.valkey.url, socket_timeout=30)

    def some_keys(self, kind: str) -> list[bytes]:
        """Keys of some objects; none while Redis is away."""
        try:
            keys = list(self.redis.scan_iter(f"{self.prefix}*:{kind}*", count=10_000))
        except redis.RedisError:
            return []
        return self.rng.sample(keys, min(SOME, len(keys)))

    def lasts(self) -> None:
        time.sleep(self.rng.uniform(*LASTS_S))

    def named(self, what: str) -> str:
        """A name of a new object."""
        self.made += 1
        return f"{what}-{self.made}"


def everything_is_flushed(day: Day) -> None:
    insist(day.redis.flushall)


def redis_evicts(day: Day) -> None:
    """Another program fills it, and what was used least lately goes."""
    client = day.redis
    insist(lambda: client.config_set("maxmemory-policy", "allkeys-lru"))
    before = insist(lambda: client.info("stats")["evicted_keys"])
    insist(lambda: client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000))
    written = []
    while insist(lambda: client.info("stats")["evicted_keys"]) < before + SOME:
        written.append(f"other-{len(written)}")
        insist(lambda: client.set(written[-1], bytes(10_000)))
    insist(lambda: client.config_set("maxmemory", 0))
    insist(lambda: client.config_set("maxmemory-policy", "noeviction"))
    insist(lambda: client.unlink(*written))


def states_are_random_bytes(day: Day) -> None:
    """Of any length; flipped bits; another object's state."""
    keys, rng = day.some_keys("state"), day.rng
    for key in keys:
        raw = insist(lambda key=key: day.redis.get(key)) or b""
        flipped = bytearray(raw or b"\0")
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        other = insist(lambda: day.redis.get(rng.choice(keys))) or b""
        bad = rng.choice([rng.randbytes(rng.randrange(4000)), bytes(flipped), raw[:-1], raw + b"\0" * 4, other])
        if bad != raw:  # its own would fit, and may be older than its log
            insist(lambda key=key, bad=bad: day.redis.set(key, bad))


def entries_are_damaged(day: Day) -> None:
    """Bytes that are no entry of the object stand in its log, before and behind those that are."""
    keys, rng = day.some_keys("log"), day.rng
    for key in keys:
        name = key[key.index(b"{") + 1 : key.rindex(b"}")]
        found = insist(lambda key=key: day.redis.lindex(key, -1))
        other = insist(lambda: day.redis.lindex(rng.choice(keys), 0)) or b""
        if not found:  # nothing is there, or what an earlier fault has put there
            continue
        bad = rng.choice([rng.randbytes(41), rng.randbytes(rng.randrange(80)), b"text", found[:-1], flipped(found, rng),
                          not_finite(found, name), other if rng.choice(keys) != key else b""])  # fmt: skip
        if bad != found:
            push = rng.choice([day.redis.lpush, day.redis.rpush])
            insist(lambda key=key, bad=bad, push=push: push(key, bad))


def flipped(entry: bytes, rng: random.Random) -> bytes:
    """An entry, but for one bit."""
    made = bytearray(entry)
    made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def not_finite(entry: bytes, name: bytes) -> bytes:
    """An entry whose checksum is right and whose flux is no number."""
    if len(entry) != ENTRY.itemsize:
        return b""
    made = np.frombuffer(entry, ENTRY).copy()
    made["flux_njy"], made["flags"] = np.nan, LAYOUT
    made["check"] = checks(made, salts([name]))
    return made.tobytes()


def a_key_is_of_the_wrong_type(day: Day) -> None:
    """An object's alerts come while its log is another's key, and again when that is gone."""
    name = day.named(WRONG_TYPE)
    key = f"{day.prefix}{{plasticc/{name}}}:log"
    insist(lambda: KINDS[day.rng.choice(sorted(KINDS))](day.redis, key))
    alerts = [Sending(name, encode(one, "observation")) for one in curve(name, 8)]
    day.send(alerts)
    day.committed()
    insist(lambda: day.redis.eval(DELETE_ANOTHERS, 1, key))  # what was flushed meanwhile may be ours by now
    day.send(alerts)


def a_giant_comes(day: Day) -> None:
    """One object whose every alert brings ten thousand earlier observations."""
    name = day.named(GIANT)
    whole = list(curve(name, HISTORY + GIANTS_ALERTS))
    past = [{field: one[field] for field in ("mjd", "band", "flux", "fluxErr", "detected")} for one in whole]
    alerts = ((one, past[i : HISTORY + i]) for i, one in enumerate(whole[HISTORY:]))
    day.send([Sending(name, encode(one | {"history": history}, "observation")) for one, history in alerts])


def redis_stands_still(day: Day) -> None:
    day.servers.valkey.pause()
    day.lasts()
    day.servers.valkey.resume()


def redis_is_killed(day: Day) -> None:
    day.servers.valkey.kill()
    time.sleep(day.rng.uniform(0, 2))
    day.servers.valkey.start()


def kafka_stands_still(day: Day) -> None:
    day.servers.kafka.pause()
    day.lasts()
    day.servers.kafka.resume()


def a_worker_is_killed(day: Day) -> None:
    worker = day.rng.choice(day.workers)
    worker.stop(signal.SIGKILL)
    day.look_after(worker)
    deadline = time.monotonic() + 60
    while worker.ask("/livez")[0] != 200 and worker.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)


FAULTS = [
    everything_is_flushed, redis_evicts, states_are_random_bytes, entries_are_damaged, a_key_is_of_the_wrong_type,
    a_giant_comes, redis_stands_still, redis_is_killed, kafka_stands_still, a_worker_is_killed,
]  # fmt: skip
NOT_BOTH = [  # of one thing at a time; a server that was killed does not know what it had evicted
    {redis_stands_still, redis_is_killed},
    {redis_evicts, redis_is_killed},
]


def insist(call: Callable[[], T], seconds: float = 90.0) -> T:
    """What a call to Redis returns, once it is there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except redis.RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
