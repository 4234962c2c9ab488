"""What Prometheus reads. One object, so that a test can have its own registry.

Every instrument of the service is here, all named misweeper_*. Labels are closed lists: surveys, fates, reasons,
classes, stages; topics and partitions are those that this worker holds.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily

STAGES = ("decode", "remember", "classify", "publish", "shadow", "commit", "save")
RELOADS = ("switched", "unchanged", "refused")
MISSED = ("not_finite", "not_answered", "slow", "too_much", "redis", "error")
OUTCOMES = ("committed", "aborted", "fenced", "unknown")
CAUSES = ("no_state", "context", "late", "log")
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
LATENCIES = (*SECONDS, 10, 30, 60, 300, 3600)
UNKNOWN = "unknown"  # the survey of what cannot be read


class Behind(NamedTuple):
    """How far a partition is behind its end."""

    lag_offsets: int
    end_offset: int
    since_ms: int | None  # the oldest unread message came after that [ms since 1970]; 0: nobody knows; None: none is


class AtWork(NamedTuple):
    """An artefact that classifies."""

    name: str
    digest: str
    device: str
    priors: str


class Partitions:
    """The partitions that are held, as Prometheus asks for them: one that is given up is gone at once."""

    def __init__(self) -> None:
        self.each: Mapping[tuple[str, int], Behind] = {}  # by topic and partition; replaced as a whole

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        texts = {
            "lag_offsets": "Offsets from what the group has committed to the partition's end.",
            "end_offset": "The partition's end, for readers at read_committed.",
            "oldest_unread_age_seconds": "How long the oldest message that is not committed has been waiting, at most.",
        }
        lag, end, age = (
            GaugeMetricFamily(f"misweeper_{name}", text, labels=("topic", "partition")) for name, text in texts.items()
        )
        for (topic, partition), behind in self.each.items():
            labels = (topic, str(partition))
            lag.add_metric(labels, behind.lag_offsets)
            end.add_metric(labels, behind.end_offset)
            if behind.since_ms != 0:
                age.add_metric(labels, 0.0 if behind.since_ms is None else time.time() - behind.since_ms / 1000)
        yield from (lag, end, age)


class ModelMetrics:
    """Which artefacts are at work, and how far the shadow agrees with the answers.

    Args:
        counter: makes one, by its name, text and labels.
        gauge: likewise.
    """

    def __init__(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        self.info = gauge(
            "model_info",
            "1: the artefact that classifies a survey, or all that have none of their own; or the shadow.",
            *("survey", "name", "digest", "device", "priors"),
        )
        self.promotion = gauge("model_promotion", "Number of the promotion that is at work; 0: nothing is promoted.")
        self.reloads = counter("model_reloads", "Looks at what is promoted, by what came of them.", "outcome")
        self.refused = gauge("model_refused", "1 while what is promoted cannot be used, and what was before goes on.")
        self.compared = counter("shadow_compared", "Classifications that the shadow has answered too.")
        self.same_class = counter("shadow_same_class", "Those of them with the same most probable class.")
        self.same_flag = counter("shadow_same_flag", "Those of them with the same anomaly flag.")
        self.distance = counter("shadow_distance", "Sum of their distances of total variation, each from 0 to 1.")
        self.missed = counter("shadow_missed", "Classifications that the shadow has not answered, by why.", "reason")

    def tell(self, at_work: Mapping[str, AtWork]) -> None:
        """Say which artefacts classify which survey from now on, and no others."""
        wanted = {(survey, *one) for survey, one in at_work.items()}
        for labels in wanted:
            self.info.labels(*labels).set(1)
        for gone in set(self.info._metrics) - wanted:  # noqa: SLF001 - there is no other way
            self.info.remove(*gone)


class Metrics:
    """The service's metrics.

    Args:
        registry: where they are; a new one by default.
        surveys: those whose fates are there before the first alert: where a counter begins with more than 0,
            Prometheus knows no rate.
    """

    def __init__(self, registry: CollectorRegistry | None = None, surveys: Iterable[str] = ()) -> None:
        self.registry = r = registry or CollectorRegistry()
        ProcessCollector(registry=r)
        self.partitions = Partitions()
        r.register(self.partitions)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"misweeper_{name}", text, labels, registry=r)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"misweeper_{name}", text, labels, registry=r)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"misweeper_{name}", text, labels, buckets=tuple(buckets), registry=r)

        # read
        self.received = counter("received_messages", "Messages read; one that is read again counts again.")
        self.received_bytes = counter("received_bytes", "Bytes of their values.")
        self.held = gauge("assigned_partitions", "Input partitions held.")
        self.rebalances = counter("rebalances", "Times that partitions were given to this worker, or taken from it.")
        self.out_of_range = counter(
            "offsets_out_of_range",
            "Partitions that had nothing at the group's offset: alerts were left out, or are read again.",
        )
        self.batch_size = histogram("batch_size", "Messages in a micro-batch.", (1, 4, 16, 64, 256, 1024, 4096))
        self.batch_bytes = histogram("batch_bytes", "Bytes of a micro-batch's values.", (4.0**k for k in range(4, 14)))
        # decode
        self.fallbacks = counter(
            "decoder_fallbacks",
            "Packets read by fastavro, some hundred times slower: no projection covers their writer's schema.",
            "survey",
        )
        self.left_out = counter(
            "history_rows_left_out",
            "Rows of packets' histories that cannot be: without flux, error, time or band, or out of all bounds.",
            "survey",
        )
        # remember
        self.curves = counter("light_curves", "Objects by how they were classified: one step, or recomputed.", "how")
        self.recomputed = counter(
            "recomputed_light_curves",
            "Objects that were recomputed, by cause: no state (lost, or another artefact's), another context than "
            "before, an observation that is late or came before, or a log that another has written to.",
            "cause",
        )
        self.rows = counter("rows", "Observations that alerts brought: new, or known already.", "kind")
        self.curve_observations = histogram(
            "curve_observations", "Observations of an alert's light curve.", (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
        )
        self.unreadable = counter(
            "unreadable_entries", "Entries of light curves left out: damaged, or of another object."
        )
        self.redis_seconds = histogram("redis_seconds", "A round trip to Redis, of many commands at once [s].", SECONDS)
        self.redis_errors = counter("redis_errors", "Round trips that failed.")
        self.redis_memory_bytes = gauge("redis_memory_bytes", "Memory that Redis uses for data.")
        self.redis_memory_limit_bytes = gauge("redis_memory_limit_bytes", "Its maxmemory; 0: none of its own.")
        self.redis_info = gauge("redis_info", "1: which server it is, and its maxmemory-policy.", "version", "policy")
        self.store_problems = gauge(
            "store_problems", "1 where Redis is set up so that it may lose light curves, by what is wrong.", "problem"
        )
        self.evicted_keys = gauge("store_evicted_keys", "Keys that Redis has evicted since it started.")
        self.store_losses = counter("store_losses", "Times that this worker saw that light curves were lost.")
        # classify
        self.models = ModelMetrics(counter, gauge)
        self.classifications = counter("classifications", "Classifications by most probable class.", "survey", "class")
        self.confidence = histogram(
            "confidence", "Probability of the most probable class.", (k / 10 for k in range(1, 11)), "survey"
        )
        self.calibration_error = gauge(
            "held_out_calibration_error",
            "How far confidences were from the share of right answers, on light curves that training never saw.",
            "priors",
        )
        self.anomalies = counter("anomalies", "Classifications with the anomaly flag.", "survey")
        self.input_drift = gauge(
            "input_drift_psi",
            "Population stability index of an input, against training as it showed this survey.",
            "survey",
            "feature",
        )
        self.gpu_memory_bytes = gauge("gpu_memory_bytes", "Memory of the GPU that torch has taken.")
        # publish and commit
        self.fates = counter("fates", "Messages by their fate, counted once committed.", "survey", "fate")
        self.dead_letters = counter("dead_letters", "Dead letters by reason.", "reason")
        self.stage_seconds = histogram("stage_seconds", "Time a micro-batch spends in a stage [s].", SECONDS, "stage")
        self.latency_seconds = histogram(
            "latency_seconds",
            "From when the producer sent an alert, as its header says or else Kafka, to its commit [s].",
            LATENCIES,
        )
        self.kafka_latency_seconds = histogram(
            "kafka_latency_seconds", "From Kafka's timestamp of an alert to its commit [s].", LATENCIES
        )
        self.transactions = counter(
            "transactions", "Transactions by how they ended; unknown: the answer was lost.", "outcome"
        )
        self.last_commit_timestamp_seconds = gauge(
            "last_commit_timestamp_seconds", "When a batch was committed last [s since 1970]; 0: never."
        )
        self.retries = counter("retries", "Micro-batches read again because a server was away.")
        # the worker
        self.ready = gauge("ready", "1 where /readyz answers 200.")
        self.loop_age_seconds = gauge("loop_age_seconds", "How long ago the loop turned; /livez fails after 60.")
        self.build_info = gauge("build_info", "1: which misweeper runs, and on which Python.", "version", "python")
        self._be_there(surveys)

    def _be_there(self, surveys: Iterable[str]) -> None:
        """Series that count from 0 on."""
        self.fates.labels(UNKNOWN, "dead_letter")
        for survey in surveys:
            self.anomalies.labels(survey)
            for fate in ("published", "duplicate", "declined", "dead_letter"):
                self.fates.labels(survey, fate)
        series = {
            self.stage_seconds: STAGES,
            self.transactions: OUTCOMES,
            self.curves: ("stepped", "recomputed"),
            self.recomputed: CAUSES,
            self.rows: ("new", "known"),
            self.models.reloads: RELOADS,
            self.models.missed: MISSED,
        }
        for instrument, labels in series.items():
            for label in labels:
                instrument.labels(label)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of one micro-batch."""
        began = perf_counter()
        yield
        self.stage_seconds.labels(name).observe(perf_counter() - began)


def observe_all(histogram: Histogram, values: NDArray[np.float64] | NDArray[np.int64]) -> None:
    """Many values [n] at once: one lookup for each bucket, not one for each value."""
    bounds = histogram._upper_bounds  # noqa: SLF001 - nothing public takes counts
    add(histogram, np.bincount(np.searchsorted(bounds, values), minlength=len(bounds)), float(values.sum()))


def add(histogram: Histogram, counts: NDArray[np.int64], total: float) -> None:
    """What was counted already: counts in each bucket, in the order of the bounds, and the sum of the values."""
    for bucket, count in zip(histogram._buckets, counts.tolist(), strict=True):  # noqa: SLF001
        if count:
            bucket.inc(count)
    histogram._sum.inc(total)  # noqa: SLF001
