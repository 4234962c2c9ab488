"""The pipeline between a source and a sink that note what passes: parts, what is set aside, and what poison costs."""

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import process_time

import numpy as np
import pytest

from broker.accounts.ledger import FATES
from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.health import Health
from broker.interfaces import Model
from broker.kafka.batch import Batch, Membership, Place
from broker.kafka.message import Message, Record
from broker.kafka.subscription import decode
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.pipeline import PART_BYTES, Pipeline, parts
from model.runs import Runs, Verdicts
from schemas.catalogue import load
from tests.support.alerts import batch_of, record, wire
from tests.support.echo import Echo

TOPICS = Topics()


class Source:
    """A source of given batches."""

    epoch = 0
    held: frozenset[Place] = frozenset()

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.group = Membership()
        self.owing = False

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """See broker.pipeline.Source."""
        return replace(self.batches.pop(0), epoch=self.epoch) if self.batches else Batch.of([], self.group)

    def rewind(self, batch: Batch) -> None:
        """See broker.pipeline.Source."""
        self.epoch += 1

    def owes(self, ends: dict) -> bool:
        """See broker.pipeline.Source."""
        return self.owing

    def back_off(self, seconds: float) -> None:
        """See broker.pipeline.Source."""


@dataclass
class Sink:
    """Takes everything, but for so many refusals at first."""

    records: list[Record] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    refusals: int = 0

    def commit(self, records: list[Record], batch: Batch) -> None:
        """See broker.pipeline.Sink."""
        if self.refusals:
            self.refusals -= 1
            raise TransientError("kafka", "away")
        self.records += records
        self.batches.append(batch)

    def of(self, topic: str, schema: str) -> list[dict]:
        """What was published on a topic."""
        return [decode(r.value, load(schema)) for r in self.records if r.topic == topic]


class Mute(Sink):
    """What it commits takes effect, but the answer to the first is lost."""

    def commit(self, records: list[Record], batch: Batch) -> None:
        """See broker.pipeline.Sink."""
        super().commit(records, batch)
        if len(self.batches) == 1:
            raise TransientError("kafka", "no answer")


class Broken(Echo):
    """Says what is no number of alerts with a flux below zero."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def classify(self, runs: Runs) -> tuple[Verdicts, np.ndarray]:
        """See broker.pipeline.Classifier."""
        verdicts, states = super().classify(runs)
        wrong = runs.rows["flux_njy"][runs.readouts] < 0
        if self.what == "probabilities":
            verdicts.probabilities[wrong, 3] = np.nan
        else:
            verdicts.anomaly_scores[wrong] = np.inf
        return verdicts, states


def pipeline_of(classifier: Echo | None = None, sink: Sink | None = None) -> tuple[Pipeline, InMemoryLightCurves]:
    """A pipeline, and its store."""
    classifier, store, metrics = classifier or Echo(), InMemoryLightCurves(), Metrics()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    model = Model(classifier, memory, Outputs(TOPICS, "echo", "a" * 64, "balanced", "0"))
    pipeline = Pipeline(
        source=Source(),
        max_messages=1024,
        read_alerts=AlertReader(1_000_000),
        model=lambda: model,
        sink=sink or Sink(),
        metrics=metrics,
        health=Health(metrics, lambda: 0.0),
        now_ms=lambda: 1,
    )
    return pipeline, store


def process(pipeline: Pipeline, batch: Batch) -> None:
    """One batch, and its commit."""
    pipeline.process(batch)
    pipeline.land()


def messages(sizes: list[int]) -> Batch:
    return Batch.of([Message("alerts", 0, i, 0, value=bytes(size) or None) for i, size in enumerate(sizes)])


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([], []),
        ([0], [1]),
        ([10, 20, 30], [3]),
        ([PART_BYTES], [1]),
        ([PART_BYTES + 1, 1], [1, 1]),
        ([1, PART_BYTES + 1, 1], [1, 1, 1]),
        ([PART_BYTES // 2] * 5, [2, 2, 1]),
        ([PART_BYTES // 2 + 1] * 3, [1, 1, 1]),
        ([0] * 1000, [1000]),
    ],
)
def test_a_batch_is_worked_on_in_parts_that_are_bounded_by_bytes(sizes, wanted):
    batch = messages(sizes)
    made = list(parts(batch))
    assert [len(part) for part in made] == wanted
    assert [offset for part in made for offset in part.offsets.tolist()] == batch.offsets.tolist()
    assert all(part.nbytes <= PART_BYTES or len(part) == 1 for part in made)


def test_the_parts_of_a_batch_are_committed_in_order():
    sink = Sink()
    pipeline, _ = pipeline_of(sink=sink)
    process(pipeline, messages([PART_BYTES // 2] * 5))
    assert [batch.offsets.tolist() for batch in sink.batches] == [[0, 1], [2, 3], [4]]
    assert len(sink.of(TOPICS.dead_letters, "dead_letter")) == 5


@pytest.mark.parametrize("what", ["probabilities", "anomaly_scores"])
def test_a_verdict_that_is_not_finite_is_set_aside_and_its_state_is_not_saved(what):
    sink = Sink()
    pipeline, store = pipeline_of(Broken(what), sink)
    names = ["good", "bad", "good", "bad"]
    fluxes = [1.0, -1.0, 2.0, 2.0]
    records = [
        record(alertId=i + 1, objectId=name, mjd=59000.0 + i, flux=flux)
        for i, (name, flux) in enumerate(zip(names, fluxes, strict=True))
    ]
    process(pipeline, batch_of(records))
    said = sink.of(TOPICS.classifications, "classification")
    assert [one["alertId"] for one in said] == [1, 3, 4]
    (letter,) = sink.of(TOPICS.dead_letters, "dead_letter")
    assert (letter["fate"], letter["reason"], letter["sourceOffset"]) == ("dead_letter", "set_aside", 1)
    assert "not finite" in letter["detail"]
    assert letter["value"] == wire(records[1])
    assert set(store.saved) == {b"plasticc/good"}
    assert len(store.logs[b"plasticc/bad"]) == 2, "the observations are kept"
    metric = pipeline.metrics.registry.get_sample_value
    assert metric("misweeper_fates_total", {"survey": "plasticc", "fate": "dead_letter"}) == 1
    assert metric("misweeper_fates_total", {"survey": "plasticc", "fate": "published"}) == 3
    assert metric("misweeper_dead_letters_total", {"reason": "set_aside"}) == 1


def test_states_are_saved_after_the_commit_alone():
    sink = Sink(refusals=1)
    pipeline, store = pipeline_of(sink=sink)
    batch = batch_of([record()])
    with pytest.raises(TransientError):
        process(pipeline, batch)
    assert (store.saved, sink.records) == ({}, [])
    assert pipeline.source.epoch == 1, "it is read again"
    process(pipeline, batch_of([record()]).part(0, 0))
    assert store.saved == {}


def test_a_declined_message_has_its_fate_published_and_counted_and_leaves_no_light_curve():
    sink = Sink()
    pipeline, store = pipeline_of(sink=sink)
    read = pipeline.read_alerts
    pipeline.read_alerts = lambda batch: replace(
        read(batch.part(0, 1)), declined=np.array([1]), packets=read(batch).packets
    )
    process(pipeline, batch_of([record(), record(objectId="an asteroid")]))
    (letter,) = sink.of(TOPICS.dead_letters, "dead_letter")
    assert (letter["fate"], letter["sourceOffset"], letter["value"]) == ("declined", 1, None)
    assert len(sink.of(TOPICS.classifications, "classification")) == len(store.logs) == 1
    metric = pipeline.metrics.registry.get_sample_value
    labels = [{"survey": "native" if fate == "declined" else "plasticc", "fate": fate} for fate in FATES]
    assert [metric("misweeper_fates_total", one) or 0 for one in labels] == [1, 0, 1, 0]


def turned(pipeline: Pipeline, times: int) -> dict[str, str]:
    """What is wrong after so many turns of the loop."""
    turns = iter(range(times))
    pipeline.committer = ThreadPoolExecutor(1)
    pipeline.run(lambda: next(turns, None) is None)
    return pipeline.health.wrong


def test_a_commit_whose_answer_was_lost_keeps_no_quiet_stream_unready():
    """It took effect, so nothing comes again; until now only the next message's commit made the worker ready."""
    pipeline, _ = pipeline_of(sink=Sink(refusals=1))
    for part in ("assigned", "model"):
        pipeline.health.well(part)
    pipeline.source.batches, pipeline.source.owing = [batch_of([record()])], True
    assert set(turned(pipeline, 10)) == {"kafka", "redis"}, "it may still come again"
    pipeline.source.owing = False
    assert turned(pipeline, 1) == {}


def test_what_a_batch_of_an_older_epoch_holds_is_not_worked_on():
    sink = Sink()
    pipeline, store = pipeline_of(sink=sink)
    pipeline.source.epoch = 1
    process(pipeline, batch_of([record()]))
    assert (sink.batches, store.logs) == ([], {})


def test_ten_thousand_poison_messages_cost_ten_times_what_a_thousand_do():
    def seconds(n: int) -> float:
        least = float("inf")
        for _ in range(3):
            sink = Sink()
            pipeline, _ = pipeline_of(sink=sink)
            values = [b"\x00\x00\x00\x00\x64" + bytes([i % 7]) for i in range(n)]
            batch = Batch.of([Message("alerts", i % 3, i, 0, value=value) for i, value in enumerate(values)])
            began = process_time()
            process(pipeline, batch)
            least = min(least, process_time() - began)
            assert len(sink.records) == n
        return least

    seconds(10)
    gc.disable()  # what the process holds beside them is searched more often then
    try:
        assert seconds(10_000) < 12 * seconds(1000)
    finally:
        gc.enable()


def published(pipeline: Pipeline) -> float:
    """How many were counted as published."""
    labels = {"survey": "plasticc", "fate": "published"}
    return pipeline.metrics.registry.get_sample_value("misweeper_fates_total", labels) or 0.0


def alerts_from(first: int, group: Membership, n: int = 3) -> Batch:
    """Alerts of one partition, read by one member."""
    records = [record(alertId=1 + i, mjd=59_000.0 + i) for i in range(first, first + n)]
    return replace(batch_of(records, first=first), group=group)


@pytest.mark.parametrize("more", [True, False])
def test_a_commit_whose_answer_was_lost_is_counted_once(more):
    sink, told = Mute(), []
    pipeline, _ = pipeline_of(sink=sink)
    group = pipeline.source.group
    pipeline._reckoning.tell = lambda batch: told.append(len(batch))
    pipeline.source.batches = [alerts_from(0, group), *([alerts_from(3, group)] * 2 if more else [])]
    turned(pipeline, 6)
    assert len(sink.batches) == 1 + more
    assert published(pipeline) == sum(told) == 3 + 3 * more


def test_what_is_done_again_after_a_refusal_is_counted_once():
    sink = Sink(refusals=1)
    pipeline, _ = pipeline_of(sink=sink)
    group = pipeline.source.group
    pipeline.source.owing = True  # the group stands before it
    pipeline.source.batches = [alerts_from(0, group), Batch.of([], group), alerts_from(0, group)]
    turned(pipeline, 5)
    assert len(sink.batches) == 1
    assert published(pipeline) == 3
    assert pipeline.metrics.registry.get_sample_value("misweeper_received_messages_total") == 6


def test_who_has_given_up_partitions_counts_nothing_that_another_may_have_counted():
    pipeline, _ = pipeline_of(sink=Mute())
    other = Membership()
    pipeline.source.batches = [alerts_from(0, Membership()), alerts_from(3, other), alerts_from(3, other)]
    turned(pipeline, 4)
    assert published(pipeline) == 3


def test_what_is_counted_says_survey_class_confidence_rows_and_causes():
    pipeline, _ = pipeline_of()
    process(pipeline, batch_of([record(alertId=1, mjd=59_001.0), record(alertId=2, mjd=59_003.0, survey="ztf")]))
    late, known = record(alertId=3, mjd=59_000.0), record(alertId=2, mjd=59_003.0, survey="ztf")
    process(pipeline, batch_of([late, known], first=2))
    metric = pipeline.metrics.registry.get_sample_value
    fates = [("plasticc", "published"), ("ztf", "published"), ("ztf", "duplicate")]
    assert [metric("misweeper_fates_total", {"survey": s, "fate": f}) for s, f in fates] == [2, 1, 1]
    assert metric("misweeper_recomputed_light_curves_total", {"cause": "late"}) == 2, "one is late, one came before"
    assert metric("misweeper_rows_total", {"kind": "new"}) == 3
    assert metric("misweeper_rows_total", {"kind": "known"}) == 1
    assert metric("misweeper_curve_observations_sum") == 1 + 1 + 2
    assert metric("misweeper_confidence_count", {"survey": "plasticc"}) == 2
    families = {family.name: family.samples for family in pipeline.metrics.registry.collect()}
    assert sum(s.value for s in families["misweeper_classifications"] if s.name.endswith("_total")) == 3


def test_the_loop_turns_inside_a_long_batch(monkeypatch):
    now = [0.0]

    class Slow(Echo):
        def classify(self, runs):
            now[0] += 40.0
            assert health.alive
            return super().classify(runs)

    monkeypatch.setattr("broker.pipeline.TURN_S", 0.0)
    monkeypatch.setattr("broker.pipeline.PART_BYTES", 1)
    pipeline, _ = pipeline_of(Slow())
    pipeline.health = health = Health(pipeline.metrics, lambda: now[0])
    process(pipeline, batch_of([record(alertId=i, mjd=59_000.0 + i) for i in range(5)]))
    assert now == [200.0]
