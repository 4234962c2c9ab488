"""The way of the data: read, decode, adapt, remember, classify, publish, commit. Every verb is a file of its own.

    kafka -> packets -> surveys -> light curves -> classifier -> outputs -> kafka

Law 5: batching changes nothing. Law 6: the numbers are the order of commit, see `sink`. Law 8: here the three fates of
an error part: a poison message becomes a dead letter, a transient error repeats the batch, anything else ends the
process.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import structlog

from broker.errors import PoisonMessage, TooLargeError, TransientError
from broker.health import Health
from broker.kafka.batching import Batching, Reader
from broker.kafka.message import Message, Record
from broker.lightcurves.memory import Memory, Share
from broker.lightcurves.store import Arrival
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from model.classifier import Outcome, Run
from model.observation import Alert

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class Source(Reader, Protocol):
    """Read: where messages come from."""

    def rewind(self, batch: Sequence[Message]) -> None:
        """Read a batch again."""

    def back_off(self, seconds: float) -> None:
        """Wait, still a member of the group."""


class Classifier(Protocol):
    """Classify: runs of observations in, verdicts and states out."""

    def classify(self, runs: Sequence[Run]) -> list[Outcome]:
        """One outcome a run."""


class Sink(Protocol):
    """Publish and commit, all or nothing."""

    def commit(self, records: Sequence[Record], batch: Sequence[Message]) -> None:
        """Raises TransientError after an abort."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The parts, as the composition root hands them over."""

    source: Source
    batching: Batching
    read_alert: Callable[[Message], Alert]  # decode and adapt; raises PoisonMessage
    memory: Memory
    classifier: Classifier
    outputs: Outputs
    sink: Sink
    metrics: Metrics
    health: Health
    now_ms: Callable[[], int]

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop; a batch that has begun is finished first."""
        pause_s = FIRST_PAUSE_S
        while not stopping():
            self.health.turned()
            batch: list[Message] = []
            try:
                if batch := self.batching.next(self.source):
                    self.process(batch)
                    self.outputs.grow()
                else:
                    self.memory.ping()
                pause_s = FIRST_PAUSE_S
                self.health.well("redis")
                self.health.well("kafka")
            except TransientError as error:
                self.health.unwell(error.server, str(error))
                self.metrics.retries.inc()
                log.warning("reading the batch again", messages=len(batch), pause_s=pause_s, error=str(error))
                if isinstance(error, TooLargeError) and not self.outputs.shrink():
                    raise
                self.source.rewind(batch)
                self.source.back_off(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def process(self, batch: Sequence[Message]) -> None:
        """One micro-batch, from bytes to commit. Raises TransientError where it must be done again."""
        read_ms = self.now_ms()
        metrics = self.metrics
        with metrics.stage("decode"):
            arrivals, letters = self._decode(batch, read_ms)
        with metrics.stage("remember"):
            shares = self.memory.remember(arrivals)  # 1
        with metrics.stage("classify"):
            outcomes = self._classify(shares)
        with metrics.stage("remember"):
            self.memory.save(shares, outcomes)  # 1
        with metrics.stage("publish"):
            records = list(self._publish(shares, outcomes, read_ms))
        with metrics.stage("commit"):
            self.sink.commit([*records, *(record for _, record in letters)], batch)  # 2 to 5
        self._count(batch, shares, outcomes, [reason for reason, _ in letters])

    def _decode(self, batch: Sequence[Message], read_ms: int) -> tuple[list[Arrival], list[tuple[str, Record]]]:
        arrivals: list[Arrival] = []
        letters: list[tuple[str, Record]] = []
        for message in batch:
            try:
                arrivals.append(Arrival(message, self.read_alert(message)))
            except PoisonMessage as poison:
                if poison.reason not in {reason for reason, _ in letters}:  # a flood of them is a line a batch
                    place = f"{message.topic}[{message.partition}]@{message.offset}"
                    log.warning("dead letter", first=place, reason=poison.reason, detail=poison.detail)
                letters.append((poison.reason, self.outputs.dead_letter(message, poison, read_ms)))
        return arrivals, letters

    def _classify(self, shares: Sequence[Share]) -> list[list[Outcome]]:
        outcomes = iter(self.classifier.classify([run for share in shares for run in share.runs]))
        return [list(islice(outcomes, len(share.runs))) for share in shares]

    def _publish(
        self, shares: Sequence[Share], outcomes: Sequence[Sequence[Outcome]], read_ms: int
    ) -> Iterator[Record]:
        publish_ms = self.now_ms()
        for share, of_share in zip(shares, outcomes, strict=True):
            for arrival, answer in zip(share.arrivals, share.answers, strict=True):
                if answer is None:
                    yield self.outputs.duplicate(arrival.message, read_ms)
                else:
                    verdict = of_share[answer.run].verdicts[answer.verdict]
                    yield from self.outputs.classification(arrival, verdict, answer.observations, read_ms, publish_ms)

    def _count(
        self,
        batch: Sequence[Message],
        shares: Sequence[Share],
        outcomes: Sequence[Sequence[Outcome]],
        reasons: Sequence[str],
    ) -> None:
        """After the commit alone, so that what is counted is what happened."""
        metrics, now_ms = self.metrics, self.now_ms()
        duplicates = sum(answer is None for share in shares for answer in share.answers)
        metrics.batch_size.observe(len(batch))
        metrics.fates.labels("published").inc(len(batch) - duplicates - len(reasons))
        metrics.fates.labels("duplicate").inc(duplicates)
        metrics.fates.labels("dead_letter").inc(len(reasons))
        for reason in reasons:
            metrics.dead_letters.labels(reason).inc()
        for share, of_share in zip(shares, outcomes, strict=True):
            metrics.curves.labels("stepped" if share.stepped else "recomputed").inc()
            metrics.anomalies.inc(sum(verdict.anomaly for outcome in of_share for verdict in outcome.verdicts))
        for message in batch:
            if message.timestamp_ms > 0:  # a topic may have none
                metrics.latency_seconds.observe(max(0, now_ms - message.timestamp_ms) / 1000)
