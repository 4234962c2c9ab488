"""A worker that stops before each step of the order of commit, and does what it is told there: go on, fail, or die.

The pipeline is the real one, in a thread of its own that runs only while `resume` waits for it: so any number of
workers are interleaved step by step, the same way each time. What stands around it are doubles of its protocols. A
commit runs in the pipeline's thread, too: it begins so many steps after it was handed over, at the latest where the
pipeline waits for it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st

from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.health import Health
from broker.interfaces import Model
from broker.lightcurves.memory import Memory
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.pipeline import Pipeline
from model.runs import Runs, Verdicts
from tests.support.echo import Echo
from tests.support.kafka_double import FencedError, KafkaDouble
from tests.support.reading import READ
from tests.support.stepped_kafka import SteppedSink, SteppedSource
from tests.support.stepped_store import SharedStore, SteppedStore

GO, FAIL, DIE = "go", "fail", "die"
# Where a worker can be stopped, in their order; what may fail there is the server named.
STEPS = {
    "read": "kafka",
    "settle": "kafka",  # a commit is waited for no longer
    "mend": "redis",
    "states": "redis",
    "append": "redis",
    "appended": "redis",  # written, but the answer never comes
    "recall": "redis",
    "classified": "",
    "begin": "kafka",
    "produce": "kafka",  # half of the records have been
    "offsets": "kafka",
    "commit": "kafka",
    "committed": "kafka",  # done, but the answer never comes
    "save": "redis",
    "saved": "redis",
    "back_off": "",
}

MOST_WORKERS = 4
which = st.integers(0, MOST_WORKERS - 1)
patience = st.integers(0, 9)
faults = st.lists(
    st.tuples(which, st.sampled_from(list(STEPS)), st.sampled_from([FAIL, FAIL, DIE])), min_size=1, max_size=6
)
LONGEST_WAIT_S = 60.0
MOST_MESSAGES = 4  # of a batch
METRICS = Metrics()  # of all workers together


def counted() -> float:
    """The fates that all workers have counted."""
    (family,) = METRICS.fates.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


class Killed(BaseException):
    """The process is gone, whatever it was doing."""


class SteppedWorker:
    """One process of the service.

    Args:
        kafka: the servers.
        store: the light curves; shared with every other worker.
        name: its transactional id; a process that is started in its place has the same.
        digest: of its artefact.
    """

    def __init__(self, kafka: KafkaDouble, store: SharedStore, name: str, digest: str) -> None:
        self.name, self.digest, self.step = name, digest, "start"
        self.stopping, self.take, self.patience = False, 3, 0
        self.source = SteppedSource(self.at, kafka, self._settle, MOST_MESSAGES, lambda: self.take)
        self._committer = SteppedCommitter(self)
        self._store = SteppedStore(self.at, store, kafka)
        classifier = Echo(digest)
        memory = Memory(self._store, classifier.fingerprint, classifier.start_state)
        model = Model(SteppedClassifier(self, classifier), memory, Outputs(Topics(), "echo", digest, "balanced", "0"))
        self._pipeline = Pipeline(
            source=self.source,
            max_messages=MOST_MESSAGES,
            read_alerts=READ,
            model=lambda: model,
            sink=SteppedSink(self.at, kafka, name),
            metrics=METRICS,
            health=Health(METRICS, lambda: 0.0),
            now_ms=lambda: 1,
            mend=self._store.mend,
            glance=self._store.glance,
            take_over=self._store.take_over,
            committer=self._committer,
        )
        self._order, self._steps, self._until = GO, 1, ""
        self._error: BaseException | None = None
        self._go, self._stopped = threading.Lock(), threading.Lock()  # each is released by the other thread
        self._go.acquire()
        self._stopped.acquire()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()
        self._wait()

    @property
    def alive(self) -> bool:
        """Whether the process is there, be it a zombie."""
        return self.step != "end"

    def resume(self, order: str = GO, steps: int = 1, until: str = "") -> None:
        """Let it go on so many steps, or until it comes to one of that name; an order other than GO is for the first.

        Raises what the worker died of, unless it was told to or was fenced.
        """
        assert self.alive
        self._order, self._steps, self._until = order, steps, until
        self._go.release()
        self._wait()

    def at(self, step: str) -> None:
        """The worker comes to a step, and waits for orders. Raises Killed or TransientError, if so ordered."""
        self._committer.tick()
        self.step = step
        self._steps -= 1
        if self._steps > 0 and step != self._until:
            return
        self._stopped.release()
        self._go.acquire()
        order, self._order = self._order, GO
        if order == DIE:
            raise Killed
        if order == FAIL and STEPS[step]:
            raise TransientError(STEPS[step], f"at {step}")

    def _settle(self, seconds: float) -> bool:
        return self._pipeline.settle(seconds)

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=LONGEST_WAIT_S), f"{self.name} hangs after {self.step}"
        if self._error is not None:
            raise self._error

    def _live(self) -> None:
        try:
            with suppress(Killed, FencedError):
                self._pipeline.run(lambda: self.stopping)
                self.source.close()
        except BaseException as error:  # noqa: BLE001 - raised where the worker is resumed
            self._error = error
        self.step = "end"
        self._stopped.release()


class SteppedCommitter(Executor):
    """Begins a commit when the worker's patience is over, or when it is waited for."""

    def __init__(self, worker: SteppedWorker) -> None:
        self._worker = worker
        self._pending: SteppedFuture | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "SteppedFuture":  # type: ignore[override]
        """See concurrent.futures."""
        assert self._pending is None or self._pending.done(), "one commit at a time"
        self._pending = SteppedFuture(self._worker, lambda: fn(*args, **kwargs))
        self._left = self._worker.patience
        return self._pending

    def tick(self) -> None:
        """A step goes by."""
        if self._pending is not None and not self._pending.done():
            self._left -= 1
            if self._left < 0:
                self._pending.begin()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See concurrent.futures."""


class SteppedFuture(Future[Any]):
    """A commit that may not have begun."""

    def __init__(self, worker: SteppedWorker, job: Callable[[], Any]) -> None:
        super().__init__()
        self._worker, self._job = worker, job

    def begin(self) -> None:
        """Do it, unless it is being done. Raises Killed alone."""
        if not self.set_running_or_notify_cancel_once():
            return
        try:
            self.set_result(self._job())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self.set_exception(error)

    def set_running_or_notify_cancel_once(self) -> bool:
        """Whether it had not begun."""
        return not self.running() and not self.done() and self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> Any:
        """See concurrent.futures."""
        if timeout is not None and not self.done():
            try:
                self._worker.at("settle")
            except TransientError as error:
                raise TimeoutError from error
        self.begin()
        return super().result(0)


class SteppedClassifier:
    """The one that hides nothing."""

    def __init__(self, worker: SteppedWorker, classifier: Echo) -> None:
        self._worker, self._classifier = worker, classifier

    def classify(self, runs: Runs) -> tuple[Verdicts, Any]:
        """See broker.pipeline.Classifier."""
        found = self._classifier.classify(runs)
        self._worker.at("classified")
        return found
