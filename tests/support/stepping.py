"""A worker that stops before each step of the order of commit, and does what it is told there: go on, fail, or die.

The pipeline is the real one, in a thread of its own that runs only while `resume` waits for it: so any number of
workers are interleaved step by step, the same way each time. What stands around it are doubles of its protocols. What
the service commits in a second thread is committed here in the same one, as soon or as late as the service might.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.health import Health
from broker.kafka.batch import Batch, Membership
from broker.kafka.doubts import Doubts
from broker.kafka.message import Message, Record
from broker.kafka.source import IN_FLIGHT
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves, Refused
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.pipeline import Pipeline
from model.runs import Runs, Verdicts
from tests.support.echo import Echo
from tests.support.executors import SameThread
from tests.support.kafka_double import FencedError, KafkaDouble, RefusedError

GO, FAIL, DIE = "go", "fail", "die"
# Where a worker can be stopped, in their order; what may fail there is the server named.
STEPS = {
    "read": "kafka",
    "settle": "kafka",  # what is in flight is waited for; a failure: too long
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
LONGEST_WAIT_S = 60.0
MOST_MESSAGES = 4  # of a batch
READ = AlertReader(1_000_000)
METRICS = Metrics()


class Killed(BaseException):
    """The process is gone, whatever it was doing."""


class Worker:
    """One process of the service.

    Args:
        kafka: the servers.
        store: the light curves; shared with every other worker.
        name: its transactional id; a process that is started in its place has the same.
        digest: of its artefact.
    """

    def __init__(self, kafka: KafkaDouble, store: InMemoryLightCurves, name: str, digest: str) -> None:
        self.name, self.digest, self.step = name, digest, "start"
        self.stopping, self.take, self.late = False, 3, True
        self.source = SteppedSource(self, kafka)
        sink = SteppedSink(self, kafka)
        classifier = SteppedClassifier(self)
        self._pipeline = Pipeline(
            source=self.source,
            max_messages=MOST_MESSAGES,
            read_alerts=READ,
            memory=Memory(SteppedStore(self, store), classifier.fingerprint, classifier.start_state),
            classifier=classifier,
            outputs=Outputs(Topics(), "echo", digest, "balanced", "0"),
            sink=sink,
            metrics=METRICS,
            health=Health(METRICS, lambda: 0.0),
            now_ms=lambda: 1,
            committer=SameThread(self),
        )
        self.source.settle = self._pipeline.settle
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


class SteppedSource:
    """A member of the group; see broker.kafka.source, whose order of doing things this has."""

    def __init__(self, worker: Worker, kafka: KafkaDouble) -> None:
        self._worker, self._kafka = worker, kafka
        self._positions: dict[int, int] = {}
        self._first: dict[int, int] = {}
        self._behind: set[int] = set()
        self._doubts = Doubts(IN_FLIGHT * MOST_MESSAGES, IN_FLIGHT * 1_000_000)
        self.epoch = 0
        self.settle: Callable[[float], bool] = lambda _: True
        self.member = kafka.join()
        self._membership = Membership(self.member)

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """See broker.pipeline.Source: as many as the worker was told to take, from all partitions in turn."""
        self._worker.at("read")
        self._go_back()
        epoch, taken = self.epoch, list[Message]()
        self._rebalance()
        if self.epoch == epoch:
            for partition, position in self._positions.items():
                room = min(max_messages, self._worker.take) - len(taken)
                new = self._kafka.inputs[partition][position : position + room]
                self._positions[partition] += len(new)
                taken += new
        batch = Batch.of(taken, self._membership, self.epoch)
        for (_, partition), first, _ in batch.bounds():
            self._first.setdefault(partition, first)
        return replace(batch, again=self._doubts.marks(batch))

    def rewind(self, batch: Batch) -> None:
        """See broker.pipeline.Source."""
        if batch.epoch == self.epoch:
            self._void()

    def back_off(self, seconds: float) -> None:
        """See broker.pipeline.Source."""
        self._worker.at("back_off")
        self._rebalance()

    def close(self) -> None:
        """Leave the group."""
        self._kafka.expel(self.member)

    def _void(self) -> None:
        self.epoch += 1
        self._doubts.read_again()
        self._behind |= self._first.keys()

    def _go_back(self) -> None:
        """To where the group stands."""
        if self._behind and not self.settle(0.0):
            raise TransientError("kafka", "a commit has not come to its end")
        for partition in sorted(self._behind):
            if (committed := self._kafka.position(partition)) is None:
                raise TransientError("kafka", "a transaction still holds the offset")
            self._positions[partition] = committed
            del self._first[partition]
            self._behind.discard(partition)

    def _rebalance(self) -> None:
        """Here alone partitions come and go."""
        shall = self._kafka.shall(self.member)
        settled = True
        if shall is not None and self._positions.keys() - shall:
            settled = self.settle(0.0)
        if not settled:
            self._kafka.expel(self.member)  # the generation is a new one: it may not commit what is still in flight
        held = self._kafka.poll(self.member)
        if held is None:  # it was expelled, and learns of it now
            self.member, held = self._kafka.join(), set()
            self._give_up(set(self._positions))
            self._membership = Membership(self.member)
            return
        self._give_up(self._positions.keys() - held)
        for partition in sorted(held - self._positions.keys()):
            if (position := self._kafka.position(partition)) is not None:
                self._positions[partition] = position
                self._doubts.assigned((self._kafka.topic, partition))

    def _give_up(self, partitions: set[int]) -> None:
        if partitions:
            self._membership = Membership(self.member)
            for partition in partitions:
                del self._positions[partition]
                self._doubts.forget((self._kafka.topic, partition))
                self._first.pop(partition, None)
            self._behind -= partitions
            self._void()


class SteppedStore(InMemoryLightCurves):
    """The light curves as Redis keeps them: every call may fail before or after its effect, or in the middle."""

    def __init__(self, worker: Worker, store: InMemoryLightCurves) -> None:
        self._worker = worker
        self.logs, self.saved = store.logs, store.saved

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore."""
        self._worker.at("states")
        return super().states(keys)

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """See LightCurveStore: each object's entries at once, others may write between one object and the next."""
        lengths: list[int | Refused] = []
        for i, (one, keep) in enumerate(zip(entries, refresh, strict=True)):
            if i % 2 == 0:  # a failure may leave some objects written and others not
                self._worker.at("append")
            lengths += super().append([one], [keep])
        self._worker.at("appended")
        return lengths

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        self._worker.at("recall")
        return super().read(keys, most, forget=forget)

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        self._worker.at("save")
        super().save(states)
        self._worker.at("saved")


class SteppedClassifier(Echo):
    """The one that hides nothing."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.digest)
        self._worker = worker

    def classify(self, runs: Runs) -> tuple[Verdicts, np.ndarray]:
        """See broker.pipeline.Classifier."""
        found = super().classify(runs)
        self._worker.at("classified")
        return found


class SteppedSink:
    """A transactional producer; the numbers are those of broker.kafka.sink."""

    def __init__(self, worker: Worker, kafka: KafkaDouble) -> None:
        self._worker, self._kafka = worker, kafka
        self._epoch = kafka.init_transactions(worker.name)

    def commit(self, records: Sequence[Record], batch: Batch) -> None:
        """See broker.pipeline.Sink."""
        producer = self._worker.name, self._epoch
        half = len(records) // 2
        try:
            self._worker.at("begin")
            self._kafka.begin(*producer)  # 2
            self._kafka.send(*producer, records[:half])  # 3
            self._worker.at("produce")
            self._kafka.send(*producer, records[half:])
            self._worker.at("offsets")
            offsets = {p.partition: p.offset for p in batch.next_offsets()}
            self._kafka.send_offsets(*producer, offsets, batch.group.metadata)  # 4
            self._worker.at("commit")
            self._kafka.commit(*producer)  # 5
        except (RefusedError, TransientError) as error:
            self._kafka.abort(*producer)
            raise TransientError("kafka", str(error)) from error
        self._worker.at("committed")
