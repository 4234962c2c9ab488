"""A batch's way without Kafka, stage by stage, on a real Valkey: decode, remember, classify, encode, save."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from broker.config import Outputs as Topics
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.told import Messages
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.rehearsal import rehearse
from model.alerts import Alerts
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from tests.benchmark.stars import alerts_of
from tests.support.stores import store_at

STAGES = ("decode", "remember", "classify", "encode", "save")
MOST_ROWS = 50_000  # that the store is filled with at once
LARGEST_MESSAGE = 4 * 1024 * 1024

T = TypeVar("T")


@dataclass
class Took:
    """What the stages of a batch took, for each of its alerts."""

    wall_us: dict[str, float] = field(default_factory=dict)
    cpu_us: dict[str, float] = field(default_factory=dict)  # of this process, all its threads

    def timed(self, stage: str, alerts: int, work: Callable[[], T]) -> T:
        began, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall_us[stage] = (time.perf_counter() - began) / alerts * 1e6
        self.cpu_us[stage] = (time.process_time() - cpu) / alerts * 1e6
        return result

    @property
    def whole_us(self) -> float:
        return sum(self.wall_us.values())

    @property
    def after_decode_us(self) -> float:
        return self.whole_us - self.wall_us["decode"]

    @property
    def cpu_after_decode_us(self) -> float:
        return sum(self.cpu_us.values()) - self.cpu_us["decode"]


class Way:
    """The service's own parts, but for Kafka.

    Args:
        redis_url: of the store.
        prefix: of its keys; with the service's own, a worker finds what was filled here.
    """

    def __init__(self, redis_url: str, prefix: str) -> None:
        artefact = load(DEFAULT)
        self.classifier = Classifier(artefact, device="cpu", threads=1)
        self.classifier.warm_up()
        self.read = AlertReader(LARGEST_MESSAGE)
        self.outputs = Outputs(Topics(), artefact.name, artefact.digest, "balanced", "bench")
        rehearse(self.read, self.classifier, self.outputs)
        self.store = store_at(redis_url, prefix, model=self.classifier.fingerprint.hex(), timeout_s=60.0)
        self.store.identities.begin()
        self.memory = Memory(self.store, self.classifier.fingerprint, self.classifier.start_state)
        self._offset = 0

    def close(self) -> None:
        self.store.close()

    def batch(self, values: Sequence[bytes]) -> Batch:
        """Messages that were never read before."""
        messages = [Message("bench", 0, self._offset + i, 0, value=value) for i, value in enumerate(values)]
        self._offset += len(values)
        return Batch.of(messages, again=np.zeros(len(messages), np.bool_))

    def take(self, batch: Batch) -> Took:
        """Every stage of a batch in which all is well, and what each took."""
        took, n = Took(), len(batch)
        decoded = took.timed("decode", n, lambda: self.read(batch))
        assert not decoded.poisons
        alerts = decoded.alerts
        plan = took.timed("remember", n, lambda: self.memory.remember(alerts, Messages.of(batch, alerts)))
        verdicts, bodies = took.timed("classify", n, lambda: self.classifier.classify(plan.runs))
        took.timed(
            "encode",
            n,
            lambda: self.outputs.classifications(batch, alerts, verdicts.take(plan.verdicts), plan.observations, 0, 0),
        )
        took.timed("save", n, lambda: self.memory.save(self.memory.states_of(plan, bodies), plan))
        return took

    def fill(self, family: str, objects: int, points: int, *, first: int = 0, whole: bool = False) -> None:
        """Put objects of so many observations into the store, as the service itself would, but without Kafka.

        `first`: so many are there already. `whole`: each by one alert that brings its history, so that its state knows
        which rows it has seen.
        """
        at_once = max(1, MOST_ROWS // points)
        for start in range(first, objects, at_once):
            names = range(start, min(start + at_once, objects))
            self._learn(alerts_of(family, names, 0, points, whole=whole))

    def _learn(self, alerts: Alerts) -> None:
        n = len(alerts)
        messages = Messages(np.zeros(n, np.uint32), np.arange(self._offset, self._offset + n), np.zeros(n, np.bool_))
        self._offset += n
        plan = self.memory.remember(alerts, messages)
        _, bodies = self.classifier.classify(plan.runs)
        self.memory.save(self.memory.states_of(plan, bodies), plan)
