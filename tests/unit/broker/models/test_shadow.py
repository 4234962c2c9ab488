"""A shadow beside the pipeline's answers: it says what it would say alone, and whatever goes wrong harms nothing."""

from dataclasses import replace

import numpy as np
import pytest

from broker.config import Outputs as Topics
from broker.errors import TransientError
from broker.interfaces import Model
from broker.kafka.subscription import decode
from broker.lightcurves import effort
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.models.agreement import Agreement
from broker.models.followed import Following, Overheard
from broker.models.shadow import MOST_S, Shadow
from broker.outputs.messages import Outputs
from schemas.catalogue import load
from tests.support.alerts import batch_of, record
from tests.support.echo import Echo
from tests.unit.broker.test_pipeline import (
    Broken,
    Mute,
    Sink,
    alerts_from,
    pipeline_of,
    process,
    published,
    turned,
)

TOPICS = Topics()
SHADOW = "shadow"


class Told:
    """What the shadow tells of what is committed."""

    def __init__(self):
        self.agreement, self.missed = Agreement(), {}

    def __call__(self, agreement, missed):
        self.agreement += agreement
        for why, count in missed.items():
            self.missed[why] = self.missed.get(why, 0) + count


def with_shadow(classifier, sink, clock=lambda: 0.0):
    """A pipeline with a shadow, its stores, and what it tells."""
    pipeline, store = pipeline_of(sink=sink)
    overheard, theirs, told, echo = Overheard(store), InMemoryLightCurves(), Told(), Echo()
    theirs.logs = store.logs
    outputs = Outputs(TOPICS, "echo", "a" * 64, "balanced", "0")
    said = Outputs(TOPICS.model_copy(update={"classifications": SHADOW}), "shadow", "b" * 64, "balanced", "0")
    memory = Memory(overheard, echo.fingerprint, echo.start_state)
    own = Memory(Following(theirs, [overheard.lengths]), classifier.fingerprint, classifier.start_state)
    shadow = Shadow(classifier, own, said, told, clock)
    model = Model(echo, memory, outputs, shadow)
    pipeline.model = lambda: model
    return pipeline, theirs, told


def alerts(rng, n, objects=4, offset=0):
    """Alerts of few objects: in time and late, once and again, without and with history."""
    found = []
    for i in range(n):
        day = float(offset + i + rng.integers(-3, 4))
        past = [
            {"mjd": 59000.0 + day - k, "band": "g", "flux": float(k), "fluxErr": 1.0, "detected": True}
            for k in range(1, 1 + rng.integers(0, 4))
        ]
        name = str(rng.integers(0, objects))
        history = past if name == "0" else []
        found.append(record(alertId=offset + i + 1, objectId=name, mjd=59000.0 + day, flux=day, history=history))
        if rng.random() < 0.1:
            found.append(found[-1])
    return found


def numbered(records, first):
    """A batch whose offsets go on from others, none of which was written before."""
    batch = batch_of(records, first=first)
    return replace(batch, again=np.zeros(len(batch), np.bool_))


def said(sink, topic):
    return {
        int(dict(r.headers)["source_offset"]): decode(r.value, load("classification"))
        for r in sink.records
        if r.topic == topic
    }


def without_names(records):
    names = {"classifierName": "", "classifierVersion": ""}
    return {offset: one | names for offset, one in records.items()}


@pytest.mark.parametrize("seed", range(5))
def test_it_says_what_it_would_say_alone_and_leaves_the_light_curves_and_answers_as_they_were(seed):
    rng, sink, alone = np.random.default_rng(seed), Sink(), Sink()
    pipeline, theirs, told = with_shadow(Echo("b"), sink)
    other, store = pipeline_of(Echo("b"), alone)
    first = 0
    for _ in range(12):
        if rng.random() < 0.3:  # a state that is lost is made again
            theirs.saved.pop(next(iter(theirs.saved), b""), None)
        batch = numbered(alerts(rng, 8, offset=first), first)
        process(pipeline, batch)
        process(other, batch)
        first += len(batch)
    shadowed, answered = said(sink, SHADOW), said(sink, TOPICS.classifications)
    assert without_names(shadowed) == without_names(answered) == without_names(said(alone, TOPICS.classifications))
    assert {one["classifierVersion"] for one in shadowed.values()} == {"b" * 64}
    assert theirs.logs == store.logs
    assert told.agreement == Agreement(len(answered), len(answered), len(answered), 0.0)
    assert sum(told.missed.values()) == 0


def test_alerts_in_time_are_stepped_and_no_log_is_read(monkeypatch):
    sink = Sink()
    pipeline, theirs, _ = with_shadow(Echo("b"), sink)
    history = [{"mjd": 58990.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": True}]
    read = []
    plain = InMemoryLightCurves.read
    monkeypatch.setattr(
        InMemoryLightCurves, "read", lambda self, *a, **k: read.append(self is theirs) or plain(self, *a, **k)
    )
    for day in range(4):
        some = [
            record(alertId=10 * day + n + 1, objectId=str(n), mjd=59000.0 + day, history=history if n else [])
            for n in range(3)
        ]
        process(pipeline, numbered(some, 3 * day))
        assert read == []
    assert len(said(sink, SHADOW)) == 12


@pytest.mark.parametrize("what", ["probabilities", "scores"])
def test_a_verdict_that_is_no_number_is_left_out_of_the_shadow_alone(what):
    sink = Sink()
    pipeline, _, told = with_shadow(Broken(what), sink)
    fluxes = (1.0, -1.0, 2.0)
    process(pipeline, batch_of([record(alertId=i + 1, objectId=str(i), flux=flux) for i, flux in enumerate(fluxes)]))
    assert sorted(said(sink, TOPICS.classifications)) == [0, 1, 2]
    assert sorted(said(sink, SHADOW)) == [0, 2]
    assert told.missed == {"not_finite": 1, "not_answered": 0, "too_much": 0}


@pytest.mark.parametrize(
    ("error", "why", "for_ever"),
    [
        (TransientError("redis", "away"), "redis", False),
        (ValueError("a bug"), "error", True),
    ],
)
def test_an_error_of_the_shadow_costs_its_own_answers_alone(error, why, for_ever):
    class Failing(Echo):
        failing = True

        def classify(self, runs):
            if self.failing:
                raise error
            return super().classify(runs)

    sink, classifier = Sink(), Failing("b")
    pipeline, _, told = with_shadow(classifier, sink)
    process(pipeline, batch_of([record(alertId=1, objectId="1", mjd=59001.0)]))
    classifier.failing = False
    process(pipeline, numbered([record(alertId=2, objectId="1", mjd=59002.0)], 1))
    assert sorted(said(sink, TOPICS.classifications)) == [0, 1]
    assert sorted(said(sink, SHADOW)) == ([] if for_ever else [1])
    assert told.missed[why] == (2 if for_ever else 1)
    if not for_ever:  # what it had missed it has found in the log
        assert said(sink, SHADOW)[1]["observations"] == 2


def test_a_slow_shadow_leaves_parts_out_until_it_is_even_with_the_answers():
    times, sink = iter([0.0, 3 * MOST_S, *[1.0] * 100]), Sink()
    pipeline, _, told = with_shadow(Echo("b"), sink, clock=lambda: next(times))
    for offset in range(2):
        process(pipeline, numbered([record(alertId=offset + 1, mjd=59000.0 + offset)], offset))
    assert sorted(said(sink, TOPICS.classifications)) == [0, 1]
    assert sorted(said(sink, SHADOW)) == [0]
    assert told.missed["slow"] == 1
    model = pipeline.model()
    model.shadow._behind_s = MOST_S
    process(pipeline, numbered([record(alertId=3, mjd=59003.0)], 2))
    assert said(sink, SHADOW)[2]["observations"] == 3


def test_what_is_not_committed_is_not_counted_and_is_said_once_when_it_is_done_again():
    sink = Sink(refusals=1)
    pipeline, theirs, told = with_shadow(Echo("b"), sink)
    batch = batch_of([record(alertId=1)])
    with pytest.raises(TransientError):
        process(pipeline, batch)
    assert (told.agreement.compared, theirs.saved) == (0, {})
    process(pipeline, replace(batch, epoch=pipeline.source.epoch))
    assert sorted(said(sink, SHADOW)) == [0]
    assert told.agreement.compared == 1


def test_what_is_committed_though_the_answer_was_lost_is_counted_once():
    pipeline, _, told = with_shadow(Echo("b"), Mute())
    group = pipeline.source.group
    pipeline.source.batches = [alerts_from(0, group), *[alerts_from(3, group)] * 2]
    turned(pipeline, 6)
    assert told.agreement.compared == published(pipeline) == 6


def test_a_shadow_that_begins_on_long_light_curves_catches_up_in_steps_that_are_not_too_much(monkeypatch):
    sink = Sink()
    pipeline, _, told = with_shadow(Echo("b"), sink)
    with_one = pipeline.model()
    pipeline.model = lambda: replace(with_one, shadow=None)
    days = [[record(alertId=10 * d + n + 1, objectId=str(n), mjd=59000.0 + d) for n in range(4)] for d in range(12)]
    process(pipeline, numbered([one for day in days[:8] for one in day], 0))
    pipeline.model = lambda: with_one
    monkeypatch.setattr(effort, "MOST_STEPS", 20)  # two light curves
    for d, day in enumerate(days[8:], 8):
        process(pipeline, numbered(day, 4 * d))
    assert len(said(sink, TOPICS.classifications)) == 48
    shadowed = said(sink, SHADOW)
    assert sum(one // 4 == 8 for one in shadowed) == 2
    assert [one in shadowed for one in range(44, 48)] == [True] * 4
    assert told.missed["too_much"] == 16 - len(shadowed)
