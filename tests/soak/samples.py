"""What a long run holds: memory and descriptors of each worker, Redis' memory; and whether it stays the same."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psutil

FLAT = 0.05  # of its memory that a worker may gain after the warm-up
MORE_DESCRIPTORS = 5  # that a worker may hold at the end: a connection may be made anew
NEAR = 0.10  # of what is predicted that Redis' memory may be off
WARM = 0.4  # of a run are its warm-up
STRETCH = 0.15  # of a run, of which a median is taken

# What Redis holds, as deploy/CAPACITY.md has it.
OBSERVATION_BYTES = 43.7
STATE_BYTES = 2_128
OBJECT_BYTES = 54  # its keys


class Sample(NamedTuple):
    """At one moment."""

    at_s: float
    committed: int  # alerts
    rss_bytes: dict[str, int]  # of each worker that lives through the run
    descriptors: dict[str, int]
    redis_bytes: int


def held(process: psutil.Process) -> tuple[int, int]:
    """Resident memory [bytes] and open descriptors of a process."""
    with process.oneshot():
        return process.memory_info().rss, process.num_fds()


def stretches(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The first stretch after the warm-up, and the last, by what is committed."""
    alerts = samples[-1].committed
    warm = [s for s in samples if WARM * alerts <= s.committed <= (WARM + STRETCH) * alerts]
    last = [s for s in samples if s.committed >= (1 - STRETCH) * alerts]
    return warm or samples[:1], last


def faults(samples: Sequence[Sample], predicted_bytes: float) -> Iterator[str]:
    """What did not stay the same."""
    warm, last = stretches(samples)
    for worker in samples[0].rss_bytes:
        before, after = (statistics.median(s.rss_bytes[worker] for s in some) for some in (warm, last))
        if after > (1 + FLAT) * before:
            yield f"{worker} has grown from {before / 2**20:,.0f} to {after / 2**20:,.0f} MiB"
        before, after = (statistics.median(s.descriptors[worker] for s in some) for some in (warm, last))
        if after > before + MORE_DESCRIPTORS:
            yield f"{worker} holds {after:.0f} descriptors, and held {before:.0f}"
    redis_bytes = samples[-1].redis_bytes
    if abs(redis_bytes - predicted_bytes) > NEAR * predicted_bytes:
        yield f"Redis holds {redis_bytes / 2**20:,.0f} MiB where {predicted_bytes / 2**20:,.0f} were predicted"


def by_tenth(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """What each worker held [MiB] after each tenth of the run, by what was committed: whether it still grows."""
    alerts = samples[-1].committed
    ends = [next(s for s in samples if 10 * s.committed >= n * alerts) for n in range(1, 11)]
    return {worker: [s.rss_bytes[worker] >> 20 for s in ends] for worker in samples[0].rss_bytes}


def predicted(objects: int, alerts: int, models: int) -> float:
    """What Redis holds of so many alerts of objects, each of which every model has a state of [bytes]."""
    return alerts * OBSERVATION_BYTES + objects * (models * STATE_BYTES + OBJECT_BYTES)
