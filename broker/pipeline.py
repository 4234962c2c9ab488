"""The way of the data: read, decode, adapt, remember, classify, publish, commit. Every verb is a room of its own.

    kafka -> packets -> surveys -> light curves -> classifier -> outputs -> kafka

While one part of a batch is being committed, the next is read, remembered and classified. Law 5: batching changes
nothing. Law 6: the numbers are the order of commit, see `sink`. Law 8: here the three fates of an error part: a poison
message becomes a dead letter, a transient error repeats what is not committed, anything else ends the process.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from broker.errors import PoisonMessage, Reason, StoreLostError, TooLargeError, TransientError
from broker.health import Health
from broker.kafka.batch import Batch, Place
from broker.kafka.message import Record
from broker.lightcurves.memory import Memory, TooMuchError
from broker.lightcurves.plan import DUPLICATE, Plan
from broker.lightcurves.told import Messages
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.packets.decoded import Decoded
from model.runs import Runs, Verdicts

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
IDLE_S = 0.1  # how long a read waits for the first message
PART_BYTES = 8 * 1024 * 1024  # of a batch that are worked on at once
TURN_S = 2.0  # of a long batch; then Kafka is polled


class Source(Protocol):
    """Read: where messages come from."""

    @property
    def epoch(self) -> int:
        """What a batch must be of, to be worked on."""

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """What has come, as soon as anything has; empty after timeout_s."""

    def rewind(self, batch: Batch) -> None:
        """Read again all from this batch on that is not committed; nothing of it is in flight."""

    def owes(self, ends: Mapping[Place, int]) -> bool:
        """Whether the group stands before one of these offsets in a partition that is ours. Raises TransientError."""

    def back_off(self, seconds: float) -> None:
        """Let time go by, still a member of the group."""


class Classifier(Protocol):
    """Classify: runs of observations in, verdicts and states out."""

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] at the readouts and states [B, state_bytes] after the runs."""


class Sink(Protocol):
    """Publish and commit, all or nothing."""

    def commit(self, records: list[Record], batch: Batch) -> None:
        """Raises TransientError after an abort."""


@dataclass(slots=True)
class Work:
    """A part of a batch that is ready to be committed, and what is to be done and counted then."""

    batch: Batch
    records: list[Record]
    states: list[tuple[bytes, bytes]]
    plan: Plan
    reasons: list[str]  # of dead letters
    duplicates: int
    declined: int
    anomalies: int


@dataclass(slots=True)
class Pipeline:
    """The parts, as the composition root hands them over."""

    source: Source
    max_messages: int
    read_alerts: Callable[[Batch], Decoded]  # decode and adapt
    memory: Memory
    classifier: Classifier
    outputs: Outputs
    sink: Sink
    metrics: Metrics
    health: Health
    now_ms: Callable[[], int]
    mend: Callable[[Callable[[], None]], bool] = lambda _: True  # a lost store; whether it can be used again
    look: Callable[[], None] = lambda: None  # now and then; raises StoreLostError where the store has lost something
    glance: Callable[[], None] = lambda: None  # the same of what was remembered just now
    committer: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "committer"))  # one at a time, in order
    _lost: bool = field(default=False, init=False)
    _flight: tuple[Work, Future[None]] | None = field(default=None, init=False)  # what is being committed
    _refused: dict[Place, int] = field(default_factory=dict, init=False)  # to be committed before it is ready again

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop; a batch that has begun is finished first."""
        pause_s = FIRST_PAUSE_S
        try:
            while not stopping():
                self.health.turned()
                batch = None
                try:
                    if self._lost:
                        self._mend()
                    self.look()
                    batch = self.source.read(self.max_messages, IDLE_S)
                    if len(batch):
                        self.process(batch)
                    else:
                        self.rest()
                    if not self._refused:
                        self.health.well("kafka")
                        pause_s = FIRST_PAUSE_S
                except TransientError as error:
                    self._retreat(batch, error, pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self.land()
        except TransientError as error:
            log.warning("stopped before a commit: it is done again by whoever comes next", error=str(error))
        finally:
            self.committer.shutdown(wait=False, cancel_futures=True)

    def process(self, batch: Batch) -> None:
        """One batch, from bytes to commit, in bounded parts. Raises TransientError where it must be done again."""
        turned = monotonic()
        for part in parts(batch):
            while len(part):
                if monotonic() - turned > TURN_S:
                    self.health.turned()
                    self.source.back_off(0.0)
                    turned = monotonic()
                if batch.epoch != self.source.epoch:
                    return  # its partitions are another's, or it is read again
                work = self.prepare(part)
                self.glance()
                self.land()
                self.memory.took_off(work.states)
                self._flight = work, self.committer.submit(self.commit, work)
                part = part.part(len(work.batch), len(part))  # noqa: PLW2901 - what is left of it

    def prepare(self, batch: Batch) -> Work:
        """Everything before the commit, of as much of a batch as is not too much at once."""
        read_ms = self.now_ms()
        metrics = self.metrics
        with metrics.stage("decode"):
            decoded = self.read_alerts(batch)
            self.health.well("registry")
            alerts = decoded.alerts
        with metrics.stage("remember"):
            try:
                plan = self.memory.remember(alerts, Messages.of(batch, alerts))  # 1
            except TooMuchError as too_much:
                batch.again[:] = True  # what of it is written by now is looked for, not written once more
                return self.prepare(batch.part(0, int(alerts.message[too_much.alerts])))
        with metrics.stage("classify"):
            verdicts, bodies = self.classifier.classify(plan.runs)
            self._set_aside_what_is_not_finite(plan, verdicts)
        with metrics.stage("publish"):
            work = self._publish(batch, decoded, plan, verdicts, read_ms)
            work.states = self.memory.states_of(plan, bodies)
        return work

    def rest(self) -> None:
        """Nothing has come: finish what is on its way, and look whether the servers are well."""
        self.land()
        self.memory.ping()
        # It may be committed though the answer was lost, or another worker's by now: then it does not come again.
        if not self._refused or not self.source.owes(self._refused):
            self._refused.clear()
            self.health.well("redis")

    def commit(self, work: Work) -> None:
        """Publish and commit a part of a batch, then save its states; in a thread of its own."""
        with self.metrics.stage("commit"):
            self.sink.commit(work.records, work.batch)  # 2 to 5
        with self.metrics.stage("save"):
            try:
                self.memory.save(work.states, work.plan)  # 6
            except TransientError as error:  # what is committed is done; without a state a light curve is read again
                log.warning("states not saved", objects=len(work.states), error=str(error))

    def land(self, timeout_s: float | None = None) -> None:
        """Wait until what is on its way is committed. Raises what went wrong with it, or TimeoutError."""
        if self._flight is None:
            return
        work, future = self._flight
        try:
            future.result(timeout_s)
        except TimeoutError:
            raise
        except TransientError:
            self._flight = None
            self.memory.landed()
            self._refuse(work.batch)
            raise
        self._flight = None
        self.memory.landed()
        self._refused.clear()
        self.outputs.grow()
        self.health.well("redis")
        self.health.well("kafka")
        self._count(work)

    def settle(self, timeout_s: float) -> bool:
        """Let what is on its way be committed, or not, before partitions are given up; whether that was soon enough."""
        try:
            self.land(timeout_s)
        except TimeoutError:
            log.warning("a commit has not come to its end", waited_s=timeout_s)
            return False
        except TransientError as error:
            self.health.unwell(error.server, str(error))
            log.warning("a commit failed", error=str(error))
        return True

    def _retreat(self, batch: Batch | None, error: TransientError, pause_s: float) -> None:
        """Give up what is not committed, wait, and read it again."""
        self.health.unwell(error.server, str(error))
        self.metrics.retries.inc()
        log.warning("reading again", pause_s=pause_s, error=str(error))
        if isinstance(error, TooLargeError) and not self.outputs.shrink():
            raise error
        try:
            self.land()  # it may succeed; what comes after it is read again
        except TransientError as worse:
            log.warning("what was on its way is read again too", error=str(worse))
        if batch is not None and len(batch):
            self._refuse(batch)
        if isinstance(error, StoreLostError) and not self._lost:
            self._lost = True
            self.metrics.store_losses.inc()
        self.source.back_off(pause_s)

    def _refuse(self, batch: Batch) -> None:
        """A batch is not committed, as far as we know: it is read again, unless it is."""
        self._refused |= {place: last + 1 for place, _, last in batch.bounds()}
        self.source.rewind(batch)

    def _mend(self) -> None:
        """Use a lost store again. Raises TransientError while that cannot be."""

        def alive() -> None:
            self.health.turned()
            self.source.back_off(0.0)

        if not self.mend(alive):
            raise TransientError("redis", "the light curves are lost, and are being rebuilt or wait for an operator")
        self._lost = False
        log.warning("the store has its light curves again")

    def _set_aside_what_is_not_finite(self, plan: Plan, verdicts: Verdicts) -> None:
        finite = np.isfinite(verdicts.probabilities).all(axis=1) & np.isfinite(verdicts.anomaly_scores)
        if finite.all():
            return
        plan.set_aside(~finite, "the classifier's answer is not finite")

    def _publish(self, batch: Batch, decoded: Decoded, plan: Plan, verdicts: Verdicts, read_ms: int) -> Work:
        alerts, poisons = decoded.alerts, decoded.poisons
        for i, why in plan.aside.items():
            poisons[int(alerts.message[i])] = PoisonMessage(Reason.SET_ASIDE, why)
        answered = np.flatnonzero(plan.verdicts >= 0)
        said = verdicts.take(plan.verdicts[answered])
        published = self.outputs.published(
            batch, decoded, answered, said, plan.observations[answered], read_ms, self.now_ms()
        )
        duplicates = alerts.message[plan.verdicts == DUPLICATE].tolist()
        letters = [
            *(self.outputs.dead_letter(batch.message(i), poison, read_ms) for i, poison in sorted(poisons.items())),
            *(self.outputs.duplicate(batch.message(i), read_ms) for i in duplicates),
            *self.outputs.declined(batch, decoded, read_ms),
        ]
        for reason, i in {poison.reason: i for i, poison in sorted(poisons.items(), reverse=True)}.items():
            topic, partition = batch.places[batch.place[i]]
            place = f"{topic}[{partition}]@{batch.offsets[i]}"
            log.warning("dead letter", first=place, reason=reason, detail=poisons[i].detail)
        reasons = [str(poison.reason) for poison in poisons.values()]
        anomalies = int(said.anomalies.sum())
        return Work(batch, [*published, *letters], [], plan, reasons, len(duplicates), len(decoded.declined), anomalies)

    def _count(self, work: Work) -> None:
        """After the commit alone, so that what is counted is what happened."""
        metrics, now_ms = self.metrics, self.now_ms()
        metrics.batch_size.observe(len(work.batch))
        metrics.fates.labels("published").inc(len(work.batch) - work.duplicates - work.declined - len(work.reasons))
        metrics.fates.labels("duplicate").inc(work.duplicates)
        metrics.fates.labels("declined").inc(work.declined)
        metrics.fates.labels("dead_letter").inc(len(work.reasons))
        for reason in work.reasons:
            metrics.dead_letters.labels(reason).inc()
        metrics.curves.labels("stepped").inc(work.plan.stepped)
        metrics.curves.labels("recomputed").inc(work.plan.recalled)
        metrics.unreadable.inc(work.plan.unreadable)
        metrics.anomalies.inc(work.anomalies)
        sent_ms = work.batch.sent_ms
        metrics.observe_latencies(np.maximum(0, now_ms - sent_ms[sent_ms > 0]) / 1000)


def parts(batch: Batch) -> Iterator[Batch]:
    """A batch in pieces of at most PART_BYTES, or of one message."""
    sizes = np.cumsum([len(value or b"") for value in batch.values])
    first = 0
    while first < len(batch):
        done = sizes[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(sizes, done + PART_BYTES, side="right")))
        yield batch.part(first, last)
        first = last
