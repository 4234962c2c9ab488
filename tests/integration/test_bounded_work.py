"""A batch that is too much work for one plan is committed in parts, and what is written on the way is written once."""

import numpy as np
import pytest

from broker.config import Outputs as Topics
from broker.interfaces import Model
from broker.kafka.batch import Batch
from broker.lightcurves import effort
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.pipeline import Pipeline
from model.classifier import Classifier
from tests.support.alerts import batch_of, record
from tests.support.artefacts import untrained

OTHERS, LATE, HISTORY = 30, 6, 40


class Source:
    """One epoch for ever."""

    epoch = 0

    def back_off(self, seconds):
        pass


class Sink:
    """Keeps what is committed."""

    def __init__(self):
        self.records, self.sizes = [], []

    def commit(self, records, batch):
        self.records += records
        self.sizes.append(len(batch))


class Health:
    """Takes everything."""

    def well(self, what):
        pass

    def turned(self):
        pass


def observation(i):
    return {"mjd": 59_000.0 + i, "band": "r", "flux": float(i), "fluxErr": 1.0, "detected": True}


def records():
    """One object's alerts, each later one earlier than all before, with a history of its own; others around them."""
    number = iter(range(1, 1000))
    yield record(objectId="late", alertId=next(number), **observation(10_000))
    for i in range(LATE):
        first = 1000 * (LATE - i)
        history = [observation(first + j) for j in range(HISTORY)]
        yield record(objectId="late", alertId=next(number), **observation(first + HISTORY), history=history)
        for j in range(OTHERS // LATE):
            yield record(objectId=f"{i}-{j}", alertId=next(number))


@pytest.mark.parametrize("again", [False, True])
def test_what_is_too_much_at_once_is_committed_in_parts_and_leaves_every_entry_once(monkeypatch, again):
    monkeypatch.setattr(effort, "MOST_STEPS", 5 * HISTORY)
    read = batch_of(records())
    batch = Batch.of([read.message(i) for i in range(len(read))], again=np.full(len(read), again))
    store, sink, classifier = InMemoryLightCurves(), Sink(), Classifier(untrained(), device="cpu")
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    model = Model(classifier, memory, Outputs(Topics(), "none", "d" * 64, "balanced", "0"))
    pipeline = Pipeline(
        source=Source(),
        max_messages=1000,
        read_alerts=AlertReader(1_000_000),
        model=lambda: model,
        sink=sink,
        metrics=Metrics(),
        health=Health(),
        now_ms=lambda: 1,
    )
    pipeline.process(batch)
    pipeline.land()
    assert sum(sink.sizes) == len(batch)
    assert len(sink.sizes) > 1
    published = [r for r in sink.records if r.topic == Topics().classifications]
    assert len(published) == len(batch)
    lengths = {key: len(log) for key, log in store.logs.items()}
    assert lengths.pop(b"plasticc/late") == 1 + LATE * (1 + HISTORY)
    assert set(lengths.values()) == {1}
