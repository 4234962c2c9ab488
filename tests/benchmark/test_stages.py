"""Where the microseconds of an alert go, stage by stage, on a real Valkey; Kafka's part is what `misweeper demo` shows.

Run by `make bench`. Nothing is asserted of speed: machines differ. Compare medians of one run.
"""

import time
from itertools import islice
from statistics import median

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.config import Outputs as Topics
from broker.kafka.batch import Batch
from broker.lightcurves.memory import Memory
from broker.lightcurves.told import Messages
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from tests.support.alerts import batch_of
from tests.support.stores import store_at

ALERTS = 10_000


@pytest.mark.parametrize("size", [64, 1024])
def test_stages(redis_url, key_prefix, size):
    whole = batch_of(islice(read_alerts(HELDOUT), ALERTS))
    artefact = load(DEFAULT)
    classifier = Classifier(artefact, device="cpu", threads=1)
    classifier.warm_up()
    read = AlertReader(4 * 1024 * 1024)
    outputs = Outputs(Topics(), artefact.name, artefact.digest, "balanced", "bench")
    store = store_at(redis_url, key_prefix)
    store.identities.begin()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    took: dict[str, list[float]] = {stage: [] for stage in ("decode", "remember", "classify", "encode", "save")}

    def timed(stage, work):
        began = time.perf_counter()
        result = work()
        took[stage].append((time.perf_counter() - began) / size * 1e6)
        return result

    for start in range(0, ALERTS - size + 1, size):
        part = whole.part(start, start + size)
        batch = Batch.of([part.message(i) for i in range(size)], again=np.zeros(size, bool))
        alerts = timed("decode", lambda b=batch: read(b)).alerts
        plan = timed("remember", lambda a=alerts, b=batch: memory.remember(a, Messages.of(b, a)))
        verdicts, bodies = timed("classify", lambda p=plan: classifier.classify(p.runs))

        def published(batch=batch, alerts=alerts, plan=plan, verdicts=verdicts):
            said = verdicts.take(plan.verdicts)
            return outputs.classifications(batch, alerts, said, plan.observations, 0, 0)

        timed("encode", published)
        timed("save", lambda p=plan, b=bodies: memory.save(memory.states_of(p, b), p))
    store.close()
    table = Table(title=f"microseconds an alert, micro-batches of {size}, median of {len(took['decode'])}")
    for stage in (*took, "sum"):
        table.add_column(stage, justify="right")
    medians = [median(values) for values in took.values()]
    table.add_row(*(f"{m:.1f}" for m in (*medians, sum(medians))))
    Console().print(table)
    assert all(medians)
