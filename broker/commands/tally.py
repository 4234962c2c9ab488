"""What the demo counts: classifications that came back, how long each took, and how right they are."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.scores import accuracy, weighted_log_loss


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo found; printed, and written by --json."""

    alerts: int
    published: int
    dead_letters: int
    objects: int
    alerts_per_s: float
    latency_ms: dict[str, float]  # p50, p95, p99: from an alert's sending to its classification's arrival
    wll: float  # of each object's last classification
    accuracy: float


@dataclass(slots=True)
class Tally:
    """Counts what comes back, and how long it took."""

    sent_at: dict[int, float] = field(default_factory=dict)  # by alertId, monotonic seconds
    latencies_s: list[float] = field(default_factory=list)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last classification of each object
    strangest: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each flagged object, the highest score
    published: int = 0
    dead_letters: int = 0

    def add(self, kind: str, record: dict[str, Any]) -> None:
        """Take in one message of an output topic."""
        if kind == "dead_letters":
            self.dead_letters += 1
            return
        name = record["objectId"]
        if kind == "anomalies":
            if name not in self.strangest or record["anomalyScore"] > self.strangest[name]["anomalyScore"]:
                self.strangest[name] = record
            return
        self.published += 1
        self.last[name] = record
        self.latencies_s.append(time.monotonic() - self.sent_at[record["alertId"]])

    def summary(self, alerts: int, seconds: float, truth: Mapping[str, int]) -> Summary:
        """The figures, once everything has come back."""
        names = list(self.last)
        rows = np.array([[c["probability"] for c in self.last[n]["classifications"]] for n in names])
        classes = np.array([truth[n] for n in names])
        p50, p95, p99 = np.percentile(self.latencies_s, [50, 95, 99]) * 1000
        return Summary(
            alerts=alerts,
            published=self.published,
            dead_letters=self.dead_letters,
            objects=len(names),
            alerts_per_s=round(self.published / seconds, 1),
            latency_ms={"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)},
            wll=round(weighted_log_loss(rows, classes), 4),
            accuracy=round(accuracy(rows, classes), 4),
        )
