"""One object's trouble in the store is one object's: its alerts are set aside, those beside it are answered."""

import numpy as np
import pytest
import redis

from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.interfaces import Model
from broker.kafka.batch import Batch
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import ASIDE
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.pipeline import Pipeline
from broker.work import Work
from model.runs import Verdicts
from tests.support.alerts import alerts_of, batch_of, record
from tests.support.stores import store_at

RECORDS = [record(objectId=name, alertId=i + 1) for i, name in enumerate(("before", "wrong", "behind"))]


@pytest.fixture
def store(redis_url, key_prefix):
    store = store_at(redis_url, key_prefix)
    store.identities.begin()
    yield store
    store.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_log_of_the_wrong_type_sets_its_object_aside_whether_its_alerts_are_read_again_or_not(
    store, redis_url, key_prefix, again
):
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"{key_prefix}{{plasticc/wrong}}:log", "text")
    read = batch_of(RECORDS)
    batch = Batch.of([read.message(i) for i in range(3)], again=np.full(3, again))
    alerts = alerts_of(RECORDS)
    plan = Memory(store, bytes(8), np.zeros(16, np.uint8)).remember(alerts, Messages.of(batch, alerts))
    assert plan.verdicts[1] == ASIDE
    assert "WRONGTYPE" in plan.aside[1]
    assert plan.observations[[0, 2]].tolist() == [1, 1]
    assert (plan.verdicts[[0, 2]] >= 0).all()
    assert sorted(plan.keys) == [b"plasticc/before", b"plasticc/behind"]


def test_where_every_alert_is_set_aside_nothing_is_published():
    outputs = Outputs(Topics(), "none", "d" * 64, "balanced", "0")
    none = alerts_of(RECORDS).take(np.empty(0, np.int64))
    nothing = Verdicts(np.empty((0, 14), np.float32), np.empty(0), np.empty(0), np.empty(0, bool))
    assert outputs.classifications(batch_of(RECORDS), none, nothing, np.empty(0, np.int64), 1, 1) == []


class Unsaved(InMemoryLightCurves):
    """A store that goes away between a commit and its states."""

    def save(self, states):
        raise TransientError("redis", "away")


class Sink:
    """Takes everything."""

    def __init__(self):
        self.batches = []

    def commit(self, records, batch):
        self.batches.append(batch)


def test_what_is_committed_is_done_even_if_its_states_cannot_be_saved():
    batch, alerts, sink = batch_of(RECORDS), alerts_of(RECORDS), Sink()
    memory = Memory(Unsaved(), bytes(8), np.zeros(16, np.uint8))
    plan = memory.remember(alerts, Messages.of(batch, alerts))
    states = memory.states_of(plan, np.zeros((3, 16), np.uint8))
    pipeline = Pipeline(
        source=None, max_messages=1, read_alerts=None, model=None, sink=sink,
        metrics=Metrics(), health=None, now_ms=lambda: 0,
    )  # fmt: skip
    pipeline.commit(Work(batch, Model(None, memory, None), plan, None, states=states))
    assert sink.batches == [batch]
