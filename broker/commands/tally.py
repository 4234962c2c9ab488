"""What the demo counts: classifications that came back, how long each took, and how right they are."""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from broker.replays.packet import Packet
from model.scores import accuracy, weighted_log_loss

Name = tuple[str, str]  # survey and object


@dataclass(frozen=True, slots=True)
class SurveySummary:
    """What the demo found of one survey."""

    sent: int
    published: int
    objects: int
    wll: float  # of each object's last classification
    accuracy: float


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
    surveys: dict[str, SurveySummary]
    clean: bool | None = None  # what the recount says: whether every offset has one fate


@dataclass(slots=True)
class Tally:
    """Counts what is sent and comes back, and how long it took."""

    truth: Mapping[str, int]  # the class of each object of the file
    sent_at: dict[tuple[str, int], float] = field(default_factory=dict)  # by survey and alertId, monotonic seconds
    made_of: dict[Name, str] = field(default_factory=dict)  # which object of the file each that was sent is
    latencies_s: list[float] = field(default_factory=list)
    last: dict[Name, dict[str, Any]] = field(default_factory=dict)  # the last classification of each object
    strangest: dict[Name, dict[str, Any]] = field(default_factory=dict)  # of each flagged object, the highest score
    sent: Counter[str] = field(default_factory=Counter)  # by survey
    came: Counter[str] = field(default_factory=Counter)  # likewise
    dead_letters: int = 0

    @property
    def published(self) -> int:
        """Classifications that came back."""
        return self.came.total()

    def note(self, packet: Packet) -> None:
        """A packet is about to be sent."""
        self.sent[packet.survey] += 1
        self.made_of[packet.survey, packet.object_id] = packet.made_of
        self.sent_at[packet.survey, packet.alert_id] = time.monotonic()

    def add(self, kind: str, record: dict[str, Any]) -> None:
        """Take in one message of an output topic."""
        if kind == "dead_letters":
            self.dead_letters += 1
            return
        survey = record["survey"]
        name = survey, record["objectId"]
        if kind == "anomalies":
            if name not in self.strangest or record["anomalyScore"] > self.strangest[name]["anomalyScore"]:
                self.strangest[name] = record
            return
        self.came[survey] += 1
        self.last[name] = record
        self.latencies_s.append(time.monotonic() - self.sent_at[survey, record["alertId"]])

    def summary(self, alerts: int, seconds: float) -> Summary:
        """The figures, once everything has come back."""
        p50, p95, p99 = np.percentile(self.latencies_s, [50, 95, 99]) * 1000
        names = list(self.last)
        wll, right = self._scores(names)
        return Summary(
            alerts=alerts,
            published=self.published,
            dead_letters=self.dead_letters,
            objects=len({self.made_of[name] for name in names}),
            alerts_per_s=round(self.published / seconds, 1),
            latency_ms={"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)},
            wll=wll,
            accuracy=right,
            surveys={survey: self._of(survey, names) for survey in self.sent},
        )

    def _of(self, survey: str, names: list[Name]) -> SurveySummary:
        its = [name for name in names if name[0] == survey]
        return SurveySummary(self.sent[survey], self.came[survey], len(its), *self._scores(its))

    def _scores(self, names: list[Name]) -> tuple[float, float]:
        """Weighted log loss and accuracy of the last classifications of some objects; NaN of none."""
        if not names:
            return math.nan, math.nan
        rows = np.array([[c["probability"] for c in self.last[name]["classifications"]] for name in names])
        classes = np.array([self.truth[self.made_of[name]] for name in names])
        return round(weighted_log_loss(rows, classes), 4), round(accuracy(rows, classes), 4)
