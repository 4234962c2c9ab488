"""What Prometheus reads. One object, so that a test can have its own registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STAGES = ("decode", "remember", "classify", "publish", "commit", "save")
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The service's metrics, all named misweeper_*."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        self.fates = Counter("misweeper_fates", "Messages by their fate, counted once committed.", ["fate"], registry=r)
        self.dead_letters = Counter("misweeper_dead_letters", "Dead letters by reason.", ["reason"], registry=r)
        self.anomalies = Counter("misweeper_anomalies", "Classifications with the anomaly flag.", registry=r)
        self.curves = Counter(
            "misweeper_light_curves",
            "Objects by how they were classified: one step, or recomputed.",
            ["how"],
            registry=r,
        )
        self.batch_size = Histogram(
            "misweeper_batch_size", "Messages in a micro-batch.", buckets=(1, 4, 16, 64, 256, 1024, 4096), registry=r
        )
        self.stage_seconds = Histogram(
            "misweeper_stage_seconds",
            "Time a micro-batch spends in a stage [s].",
            ["stage"],
            buckets=SECONDS,
            registry=r,
        )
        self.latency_seconds = Histogram(
            "misweeper_latency_seconds",
            "From Kafka's timestamp of an alert to its commit [s].",
            buckets=(*SECONDS, 10, 30, 60),
            registry=r,
        )
        self.retries = Counter("misweeper_retries", "Micro-batches read again because a server was away.", registry=r)
        self.out_of_range = Counter(
            "misweeper_offsets_out_of_range",
            "Partitions that had nothing at the group's offset: alerts were left out, or are read again.",
            registry=r,
        )
        self.unreadable = Counter(
            "misweeper_unreadable_entries", "Entries of light curves left out: damaged, or of another object.",
            registry=r,
        )  # fmt: skip
        self.store_problems = Gauge(
            "misweeper_store_problems", "1 where Redis is set up so that it may lose light curves, by what is wrong.",
            ["problem"], registry=r,
        )  # fmt: skip
        self.evicted_keys = Gauge(
            "misweeper_store_evicted_keys", "Keys that Redis has evicted since it started.", registry=r
        )
        self.store_losses = Counter(
            "misweeper_store_losses", "Times that this worker saw that light curves were lost.", registry=r
        )
        self.fallbacks = Counter(
            "misweeper_decoder_fallbacks",
            "Packets read by fastavro, some hundred times slower: no projection covers their writer's schema.",
            ["survey"],
            registry=r,
        )
        self.left_out = Counter(
            "misweeper_history_rows_left_out",
            "Rows of packets' histories that cannot be: without flux, error, time or band, or out of all bounds.",
            ["survey"],
            registry=r,
        )
        self.partitions = Gauge("misweeper_assigned_partitions", "Input partitions held.", registry=r)
        self.ready = Gauge("misweeper_ready", "1 where /readyz answers 200.", registry=r)
        for fate in ("published", "duplicate", "declined", "dead_letter"):
            self.fates.labels(fate)
        for stage in STAGES:
            self.stage_seconds.labels(stage)
        for how in ("stepped", "recomputed"):
            self.curves.labels(how)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of one micro-batch."""
        began = perf_counter()
        yield
        self.stage_seconds.labels(name).observe(perf_counter() - began)

    def observe_latencies(self, seconds: NDArray[np.float64]) -> None:
        """Many latencies at once [s]: one lookup for each bucket, not one for each alert."""
        histogram = self.latency_seconds
        counts = np.bincount(np.searchsorted(histogram._upper_bounds, seconds), minlength=len(histogram._upper_bounds))  # noqa: SLF001
        for bucket, count in zip(histogram._buckets, counts.tolist(), strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)
        histogram._sum.inc(float(seconds.sum()))  # noqa: SLF001
