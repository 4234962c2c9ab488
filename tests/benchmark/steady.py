"""What an alert costs in the steady state, Kafka left out: by stage, length of the curve, number of objects, history.

Every figure is a round's: a batch with one alert of each of some objects. What is compared takes turns, so that the
machine's moods meet all of it. The store is filled through the service's own memory and classifier, not through Kafka.
"""

from collections.abc import Iterator, Sequence
from random import Random

import redis

from broker.embedded import EmbeddedValkey
from tests.benchmark.figure import Figure, ratios
from tests.benchmark.progress import say
from tests.benchmark.sizes import Sizes
from tests.benchmark.stars import key, packets
from tests.benchmark.way import STAGES, Took, Way

PREFIX = "misweeper:"
WAY = {"get", "mget", "set", "rpush", "llen", "lrange"}  # commands of an alert's way


def stages(sizes: Sizes) -> Iterator[Figure]:
    """Microseconds of each stage, curves of 100, batches as small and as large as the service makes them."""
    with EmbeddedValkey() as valkey:
        way = Way(valkey.url, PREFIX)
        way.fill("s", sizes.batch, 100)
        for size in (64, sizes.batch):
            rounds = [taken(way, "s", range(size), 100 + r + size) for r in range(sizes.rounds)]
            for stage in STAGES:
                yield Figure.of("stages", f"{stage}, batches of {size}", "us", [t.wall_us[stage] for t in rounds])
            yield Figure.of("stages", f"all stages, batches of {size}", "us", [t.whole_us for t in rounds])
        way.close()


def lengths(sizes: Sizes) -> Iterator[Figure]:
    """An alert of a short curve and of a long one."""
    with EmbeddedValkey() as valkey:
        way = Way(valkey.url, PREFIX)
        for points in sizes.lengths:
            say(f"filling: {sizes.batch} curves of {points}")
            way.fill(f"l{points}-", sizes.batch, points)
        rounds: dict[int, list[float]] = {points: [] for points in sizes.lengths}
        for r in range(sizes.rounds):
            for points, found in rounds.items():
                found.append(taken(way, f"l{points}-", range(sizes.batch), points + r).whole_us)
        way.close()
    for points, found in rounds.items():
        yield Figure.of("curve length", f"curves of {points}", "us", found)
    yield ratios("curve length", "350 over 20", rounds[350], rounds[20])


def objects(sizes: Sizes) -> Iterator[Figure]:
    """The rate with few objects in the store and with many, and Valkey's own share. Curves are of 2 observations."""
    with EmbeddedValkey() as valkey, redis.Redis.from_url(valkey.url) as client:
        way = Way(valkey.url, PREFIX)
        random, rates, filled = Random(0), {}, 0
        for count in sizes.objects:
            say(f"filling: {count:,} objects")
            way.fill("o", count, 2, first=filled)
            filled, found, inside = count, list[float](), list[float]()
            for r in range(sizes.rounds):
                names = random.sample(range(count), min(count, sizes.batch))
                client.config_resetstat()
                found.append(1e6 / taken(way, "o", names, 10 + len(rates) * sizes.rounds + r).whole_us)
                inside.append(commands_us(client) / len(names))
            rates[count] = found
            yield Figure.of("objects", f"{count:,} objects", "alerts/s", found)
            yield Figure.of("objects", f"{count:,} objects, Valkey's own commands", "us", inside)
        yield ratios("objects", f"{filled:,} over {sizes.objects[0]:,}", rates[filled], rates[sizes.objects[0]])
        way.close()


def histories(sizes: Sizes) -> Iterator[Figure]:
    """An alert that brings what is known of its object already, beside a native one of the same curve."""
    with EmbeddedValkey() as valkey:
        way = Way(valkey.url, PREFIX)
        count = sizes.with_history
        for points in sizes.histories:
            say(f"filling: {count} curves of {points}, twice")
            way.fill(f"n{points}-", count, points)
            way.fill(f"h{points}-", count, points, whole=True)
        native: dict[int, list[Took]] = {points: [] for points in sizes.histories}
        known: dict[int, list[Took]] = {points: [] for points in sizes.histories}
        for r in range(sizes.rounds):
            for points in sizes.histories:
                native[points].append(taken(way, f"n{points}-", range(count), points + r))
                known[points].append(taken(way, f"h{points}-", range(count), points + r, history=points))
        way.close()
    for points in sizes.histories:
        after = [t.after_decode_us for t in known[points]]
        yield Figure.of("history", f"history of {points}, decode", "us", [t.wall_us["decode"] for t in known[points]])
        yield Figure.of("history", f"history of {points}, after decode", "us", after)
        yield ratios("history", f"history of {points} over native", after, [t.after_decode_us for t in native[points]])


def memory(sizes: Sizes) -> Iterator[Figure]:
    """Bytes in the store: of each key as Valkey says, and of all as its memory grew."""
    with EmbeddedValkey() as valkey, redis.Redis.from_url(valkey.url) as client:
        way = Way(valkey.url, PREFIX)
        way.fill("warm", 1000, 2)
        before = client.info("memory")["used_memory"]
        way.fill("m", sizes.batch, 100)
        grown = client.info("memory")["used_memory"] - before
        names = [key("m", name) for name in range(0, sizes.batch, 8)]
        logs = [b"%b{%b}:log" % (PREFIX.encode(), name) for name in names]
        states = [
            b"%b{%b}:state:%b" % (PREFIX.encode(), name, way.classifier.fingerprint.hex().encode()) for name in names
        ]
        yield Figure.of("Redis", "an observation (MEMORY USAGE)", "bytes", [usage(client, log) / 100 for log in logs])
        yield Figure.of("Redis", "a state (its value)", "bytes", [client.strlen(state) for state in states])
        yield Figure.of("Redis", "a state (MEMORY USAGE)", "bytes", [usage(client, state) for state in states])
        yield Figure.of("Redis", "an object of 100 (used_memory)", "bytes", [grown / sizes.batch])
        way.close()


def commands_us(client: redis.Redis) -> float:
    """How long the server has worked on commands for light curves, since its counts were reset."""
    told = client.info("commandstats")
    return sum(float(of["usec"]) for name, of in told.items() if name.removeprefix("cmdstat_") in WAY)


def usage(client: redis.Redis, name: bytes) -> int:
    """The bytes of a key, all of it looked at."""
    return int(client.memory_usage(name, samples=0))


def taken(way: Way, family: str, names: Sequence[int], day: int, history: int = 0) -> Took:
    """One round: an alert of each object."""
    return way.take(way.batch(packets(family, names, day, 1, history)))
