"""A worker that stops before each step of the order of commit, and does what it is told there: go on, fail, or die.

The pipeline is the real one, in a thread of its own that runs only while `resume` waits for it: so any number of
workers are interleaved step by step, the same way each time. What stands around it are doubles of its protocols.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.health import Health
from broker.kafka.batching import Batching
from broker.kafka.message import Message, Record
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves, Tail
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.pipeline import Pipeline
from model.classifier import Outcome, Run
from tests.support.echo import echo, fingerprint
from tests.support.kafka_double import FencedError, KafkaDouble, RefusedError
from tests.support.reading import READ

GO, FAIL, DIE = "go", "fail", "die"
# Where a worker can be stopped, in their order; what may fail there is the server named.
STEPS = {
    "read": "kafka",
    "append": "redis",
    "appended": "redis",  # written, but the answer never comes
    "recall": "redis",
    "classified": "",
    "save": "redis",
    "saved": "redis",
    "begin": "kafka",
    "produce": "kafka",  # half of the records have been
    "offsets": "kafka",
    "commit": "kafka",
    "committed": "kafka",  # done, but the answer never comes
    "back_off": "",
}
LONGEST_WAIT_S = 60.0
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
        self.stopping, self.take = False, 3
        self.source = SteppedSource(self, kafka)
        sink = SteppedSink(self, kafka)
        self._pipeline = Pipeline(
            source=self.source,
            batching=Batching(max_size=100, max_wait_ms=100, clock=lambda: 0.0),
            read_alert=READ,
            memory=Memory(SteppedStore(self, store), digest),
            classifier=SteppedClassifier(self),
            outputs=Outputs(Topics(), "echo", digest, "balanced", "0"),
            sink=sink,
            metrics=METRICS,
            health=Health(METRICS, lambda: 0.0),
            now_ms=lambda: 1,
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
    """A member of the group."""

    def __init__(self, worker: Worker, kafka: KafkaDouble) -> None:
        self._worker, self._kafka = worker, kafka
        self._positions: dict[int, int] = {}
        self._again: dict[int, int] = {}
        self.member = kafka.join()

    def read(self, max_messages: int, timeout_s: float) -> list[Message]:
        """See broker.kafka.batching.Reader: as many as the worker was told to take, from all partitions in turn."""
        self._worker.at("read")
        self._go_back()
        self._rebalance()
        batch: list[Message] = []
        for partition, position in self._positions.items():
            room = min(max_messages, self._worker.take) - len(batch)
            new = self._kafka.inputs[partition][position : position + room]
            self._positions[partition] += len(new)
            batch += new
        return batch

    def rewind(self, batch: Sequence[Message]) -> None:
        """See broker.pipeline.Source."""
        for message in batch:
            if message.partition in self._positions:
                self._again.setdefault(message.partition, message.offset)

    def back_off(self, seconds: float) -> None:
        """See broker.pipeline.Source."""
        self._worker.at("back_off")
        self._rebalance()

    def close(self) -> None:
        """Leave the group."""
        self._kafka.expel(self.member)

    def _go_back(self) -> None:
        """To what is to be read again, but for what of it is committed after all."""
        for partition, first in self._again.items():
            if (committed := self._kafka.position(partition)) is None:
                raise TransientError("kafka", "a transaction still holds the offset")
            self._positions[partition] = max(first, committed)
        self._again.clear()

    def _rebalance(self) -> None:
        """Here alone partitions come and go."""
        held = self._kafka.poll(self.member)
        if held is None:  # it was expelled, and learns of it now
            self._positions.clear()
            self._again.clear()
            self.member = self._kafka.join()
            return
        for partition in self._positions.keys() - held:
            del self._positions[partition]
            self._again.pop(partition, None)
        for partition in sorted(held - self._positions.keys()):
            if (position := self._kafka.position(partition)) is not None:
                self._positions[partition] = position


class SteppedStore:
    """The light curves as Redis keeps them: every call may fail before or after its effect, or in the middle."""

    def __init__(self, worker: Worker, store: InMemoryLightCurves) -> None:
        self._worker, self._store = worker, store

    def append(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, Tail]:
        """See LightCurveStore. Others may append and save between the write and the read, as in a Redis pipeline."""
        lengths = {}
        for i, (key, new) in enumerate(entries.items()):
            if i % 2 == 0:  # a failure may leave some objects written and others not
                self._worker.at("append")
            log = self._store.logs.setdefault(key, [])
            log.extend(new)
            lengths[key] = len(log)
        self._worker.at("appended")
        tails = {}
        for key, new in entries.items():
            before = self._store.logs[key][: -len(new)]
            tails[key] = Tail(lengths[key], before[-1] if before else None, self._store.states.get(key))
        return tails

    def read(self, keys: Iterable[str]) -> dict[str, list[bytes]]:
        """See LightCurveStore."""
        self._worker.at("recall")
        return self._store.read(keys)

    def save(self, states: Mapping[str, bytes]) -> None:
        """See LightCurveStore."""
        self._worker.at("save")
        self._store.save(states)
        self._worker.at("saved")

    def ping(self) -> None:
        """See LightCurveStore."""


class SteppedClassifier:
    """The one that hides nothing."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def classify(self, runs: Sequence[Run]) -> list[Outcome]:
        """See broker.pipeline.Classifier."""
        outcomes = echo(runs, self._worker.digest, fingerprint)
        self._worker.at("classified")
        return outcomes


class SteppedSink:
    """A transactional producer; the numbers are those of broker.kafka.sink."""

    def __init__(self, worker: Worker, kafka: KafkaDouble) -> None:
        self._worker, self._kafka = worker, kafka
        self._epoch = kafka.init_transactions(worker.name)

    def commit(self, records: Sequence[Record], batch: Sequence[Message]) -> None:
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
            offsets = {m.partition: m.offset + 1 for m in batch}
            self._kafka.send_offsets(*producer, offsets, self._worker.source.member)  # 4
            self._worker.at("commit")
            self._kafka.commit(*producer)  # 5
        except (RefusedError, TransientError) as error:
            self._kafka.abort(*producer)
            raise TransientError("kafka", str(error)) from error
        self._worker.at("committed")
