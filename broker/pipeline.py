"""The way of the data: read, decode, adapt, remember, classify, publish, commit. Every verb is a room of its own.

    kafka -> packets -> surveys -> light curves -> classifier -> outputs -> kafka

While one part of a batch is being committed, the next is read, remembered and classified. Law 5: batching changes
nothing. Law 6: the numbers are the order of commit, see `sink`. Law 8: here the three fates of an error part: a poison
message becomes a dead letter, a transient error repeats what is not committed, anything else ends the process.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
import structlog

from broker.errors import TooLargeError, TransientError
from broker.health import Health
from broker.interfaces import Model, Sink, Source
from broker.kafka.batch import Batch, Place
from broker.lightcurves.effort import TooMuchError
from broker.lightcurves.plan import Plan
from broker.lightcurves.told import Messages
from broker.metrics import Metrics
from broker.packets.decoded import Decoded
from broker.reckoning import Reckoning
from broker.trouble import Trouble
from broker.work import Work, work_of

log = structlog.get_logger(__name__)

IDLE_S = 0.1  # how long a read waits for the first message
PART_BYTES = 8 * 1024 * 1024  # of a batch that are worked on at once
TURN_S = 2.0  # of a long batch; then Kafka is polled


@dataclass(slots=True)
class Pipeline:
    """The parts, as the composition root hands them over."""

    source: Source
    max_messages: int
    read_alerts: Callable[[Batch], Decoded]  # decode and adapt
    model: Callable[[], Model]  # what remembers, classifies and writes
    sink: Sink
    metrics: Metrics
    health: Health
    now_ms: Callable[[], int]
    mend: Callable[[Callable[[], None]], bool] = lambda _: True  # see Trouble
    take_over: Callable[[AbstractSet[Place], Callable[[], None]], None] = lambda *_: None  # see Takeover
    look: Callable[[], None] = lambda: None  # now and then; raises StoreLostError where the store has lost something
    glance: Callable[[], None] = lambda: None  # the same of what was remembered just now
    watch: Callable[[Model, Plan], None] = lambda _, __: None  # shown each plan
    tell: Callable[[Batch], None] = lambda _: None  # told of each batch that is committed
    committer: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "committer"))  # one at a time, in order
    _trouble: Trouble = field(init=False)
    _reckoning: Reckoning = field(init=False)
    _flight: tuple[Work, Future[None]] | None = field(default=None, init=False)  # what is being committed

    def __post_init__(self) -> None:
        self._trouble = Trouble(self.source, self.health, self.metrics, self.mend)
        self._reckoning = Reckoning(self.metrics, self.now_ms, self.tell)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop; a batch that has begun is finished first."""
        try:
            while not stopping():
                self.health.turned()
                batch = None
                try:
                    self._trouble.make_good()
                    self.look()
                    batch = self.source.read(self.max_messages, IDLE_S)
                    self._reckoning.read(batch)
                    self.take_over(self.source.held, self._trouble.alive)
                    if len(batch):
                        self.process(batch)
                    else:
                        self.rest()
                    self._trouble.over()
                except TransientError as error:
                    self._retreat(batch, error)
            self.land()
        except TransientError as error:
            log.warning("stopped before a commit: it is done again by whoever comes next", error=str(error))
        finally:
            self.committer.shutdown(wait=False, cancel_futures=True)

    def process(self, batch: Batch) -> None:
        """One batch, from bytes to commit, in bounded parts. Raises TransientError where it must be done again."""
        turned, model = monotonic(), self.model()
        for part in parts(batch):
            while len(part):
                if monotonic() - turned > TURN_S:
                    self.health.turned()
                    self.source.back_off(0.0)
                    turned = monotonic()
                if batch.epoch != self.source.epoch:
                    return  # its partitions are another's, or it is read again
                work = self.prepare(part, model)
                self.glance()
                self.land()
                model.memory.took_off(work.states)
                if model.shadow:
                    model.shadow.took_off(work.shade)
                self._flight = work, self.committer.submit(self.commit, work)
                part = part.part(len(work.batch), len(part))  # noqa: PLW2901 - what is left of it

    def prepare(self, batch: Batch, model: Model) -> Work:
        """Everything before the commit, of as much of a batch as is not too much at once."""
        read_ms, stage, began = self.now_ms(), self.metrics.stage, monotonic()
        with stage("decode"):
            decoded = self.read_alerts(batch)
            self.health.well("registry")
            alerts = decoded.alerts
        with stage("remember"):
            try:
                plan = model.memory.remember(alerts, Messages.of(batch, alerts))  # 1
            except TooMuchError as too_much:
                batch.again[:] = True  # what of it is written by now is looked for, not written once more
                return self.prepare(batch.part(0, int(alerts.message[too_much.alerts])), model)
        with stage("classify"):
            verdicts, bodies = model.classifier.classify(plan.runs)
            plan.set_aside_what_is_not_finite(verdicts)
            self.watch(model, plan)
        with stage("publish"):
            work = work_of(model, batch, decoded, plan, verdicts, read_ms, self.now_ms())
            work.states = model.memory.states_of(plan, bodies)
        if model.shadow:
            with stage("shadow"):
                took_s = monotonic() - began
                work.shade = model.shadow.answer(batch, decoded, plan, verdicts, took_s, read_ms, self.now_ms())
                work.records += work.shade.records
        return work

    def commit(self, work: Work) -> None:
        """Publish and commit a part of a batch, then save its states; in a thread of its own."""
        with self.metrics.stage("commit"):
            self.sink.commit(work.records, work.batch)  # 2 to 5
        with self.metrics.stage("save"):
            try:
                work.model.memory.save(work.states, work.plan)  # 6
                if work.model.shadow:
                    work.model.shadow.save(work.shade)
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
            self._landed(work)
            self._trouble.refuse(work.batch)
            self._reckoning.doubt(work)
            raise
        self._flight = None
        self._landed(work)
        self._trouble.committed()
        work.model.outputs.grow()
        self._reckoning.committed(work)

    def _landed(self, work: Work) -> None:
        """What was on its way is no more."""
        work.model.memory.landed()
        if work.model.shadow:
            work.model.shadow.landed()

    def rest(self) -> None:
        """Nothing has come: finish what is on its way, and look whether the servers are well."""
        self.land()
        self.model().memory.ping()
        self._trouble.look()
        self._reckoning.look(self.source)

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

    def _retreat(self, batch: Batch | None, error: TransientError) -> None:
        """Give up what is not committed, wait, and read it again."""
        self._trouble.note(error)
        if isinstance(error, TooLargeError) and not self.model().outputs.shrink():
            raise error
        try:
            self.land()  # it may succeed; what comes after it is read again
        except TransientError as worse:
            log.warning("what was on its way is read again too", error=str(worse))
        if batch is not None and len(batch):
            self._trouble.refuse(batch)
        self._trouble.wait()


def parts(batch: Batch) -> Iterator[Batch]:
    """A batch in pieces of at most PART_BYTES, or of one message."""
    sizes = np.cumsum([len(value or b"") for value in batch.values])
    first = 0
    while first < len(batch):
        done = sizes[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(sizes, done + PART_BYTES, side="right")))
        yield batch.part(first, last)
        first = last
