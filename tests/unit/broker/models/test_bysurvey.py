"""One model of several: each survey's alerts fare as they would with their own artefact alone."""

from dataclasses import replace

import numpy as np
import pytest

from broker.config import Outputs as Topics
from broker.interfaces import Model
from broker.kafka.batch import Batch
from broker.lightcurves import effort
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from broker.models.bysurvey import by_survey
from broker.outputs.messages import Outputs
from model.drift import shares_of
from model.features import INPUTS
from tests.support.alerts import alerts_of, batch_of, record
from tests.support.echo import STATE_BYTES, Echo
from tests.unit.broker.models.test_shadow import alerts, numbered, said
from tests.unit.broker.test_pipeline import Broken, Sink, pipeline_of, process

TOPICS = Topics()
SURVEYS = ("plasticc", "ztf", "test")


class Wide(Echo):
    """The same with longer states."""

    start_state = np.zeros(STATE_BYTES + 24, np.uint8)

    def classify(self, runs):
        own = runs._replace(states=np.ascontiguousarray(runs.states[:, :STATE_BYTES]))
        verdicts, states = super().classify(own)
        return verdicts, np.pad(states, ((0, 0), (0, 24)))


class Given(Echo):
    """Its inputs are the rows' fluxes, so many times."""

    def __init__(self, times, state_bytes):
        super().__init__()
        self.times, self.start_state = times, np.zeros(state_bytes, np.uint8)

    def inputs_of(self, runs):
        assert runs.states.shape == (len(runs.ends), len(self.start_state))
        return np.repeat(self.times * runs.rows["flux_njy"].astype(np.float32)[:, None], len(INPUTS), 1)


def model_of(classifier, name):
    store = InMemoryLightCurves()
    memory = Memory(store, classifier.fingerprint, classifier.start_state, clock=lambda: 1e6)
    return Model(classifier, memory, Outputs(TOPICS, name, "a" * 64, "balanced", "0")), store


def pipeline_with(model):
    sink = Sink()
    pipeline, _ = pipeline_of(sink=sink)
    pipeline.model = lambda: model
    return pipeline, sink


def counted(pipeline, name, label):
    """A counter by its label."""
    (family,) = (f for f in pipeline.metrics.registry.collect() if f.name == f"misweeper_{name}")
    return {s.labels[label]: s.value for s in family.samples if s.name.endswith("_total")}


@pytest.mark.parametrize("seed", range(5))
def test_each_survey_is_answered_as_by_its_artefact_alone_and_keeps_states_of_its_own(seed):
    rng = np.random.default_rng(seed)
    (everybody, common), (wide, ztf) = model_of(Echo("a"), "everybody"), model_of(Wide("b"), "wide")
    pipeline, sink = pipeline_with(by_survey(everybody, {"ztf": wide}, None))
    alone = {name: model_of(made, name) for name, made in (("everybody", Echo("a")), ("wide", Wide("b")))}
    lines = {name: pipeline_with(model) for name, (model, _) in alone.items()}
    first = 0
    for _ in range(10):
        some = [r | {"survey": SURVEYS[rng.integers(3)]} for r in alerts(rng, 8, offset=first)]
        batch = numbered(some, first)
        process(pipeline, batch)
        for name, (line, _) in lines.items():
            which = [i for i, r in enumerate(some) if (r["survey"] == "ztf") == (name == "wide")]
            own = [batch.message(i) for i in which]
            process(line, Batch.of(own, again=np.zeros(len(own), np.bool_)))
        first += len(batch)
    found = said(sink, TOPICS.classifications)
    by_hand = {name: said(lines[name][1], TOPICS.classifications) for name in lines}
    assert found == by_hand["everybody"] | by_hand["wide"]
    assert len({one["survey"] for one in found.values()}) == 3
    for ours, (_, theirs) in ((common, alone["everybody"]), (ztf, alone["wide"])):
        assert ours.logs == theirs.logs
        assert ours.saved == theirs.saved
    assert {key[:4] for key in ztf.saved} == {b"ztf/"}
    for name, label in (("light_curves", "how"), ("recomputed_light_curves", "cause"), ("rows", "kind")):
        apart = [counted(line, name, label) for line, _ in lines.values()]
        assert counted(pipeline, name, label) == {one: sum(each[one] for each in apart) for one in apart[0]}
    duplicates = [r for r in sink.records if r.topic == TOPICS.dead_letters]
    assert len(found) + len(duplicates) == first


def test_what_is_no_number_is_set_aside_for_its_survey_alone_and_no_state_of_it_is_kept():
    (everybody, common), (broken, ztf) = model_of(Echo("a"), "everybody"), model_of(Broken("probabilities"), "broken")
    pipeline, sink = pipeline_with(by_survey(everybody, {"ztf": broken}, None))
    rng = np.random.default_rng(1)
    some = [r | {"survey": SURVEYS[i % 2], "flux": -1.0} for i, r in enumerate(alerts(rng, 8))]
    process(pipeline, batch_of(some))
    assert {one["survey"] for one in said(sink, TOPICS.classifications).values()} == {"plasticc"}
    assert common.saved
    assert not ztf.saved


def test_a_batch_without_any_alert_has_its_fates():
    (everybody, _), (wide, _) = model_of(Echo("a"), "everybody"), model_of(Wide("b"), "wide")
    pipeline, sink = pipeline_with(by_survey(everybody, {"ztf": wide}, None))
    batch = batch_of(alerts(np.random.default_rng(1), 3))
    batch.values[:] = [b"no Avro"] * len(batch)
    process(pipeline, batch)
    assert len(sink.records) == len(batch)


def test_more_work_than_one_plan_may_be_is_done_in_several(monkeypatch):
    (everybody, _), (wide, _) = model_of(Echo("a"), "everybody"), model_of(Wide("b"), "wide")
    monkeypatch.setattr(effort, "MOST_STEPS", 3)
    pipeline, sink = pipeline_with(by_survey(everybody, {"ztf": wide}, None))
    made = alerts(np.random.default_rng(1), 20)
    some = [r | {"survey": SURVEYS[i % 3], "objectId": str(i)} for i, r in enumerate(made)]
    process(pipeline, batch_of(some))
    letters = [r for r in sink.records if r.topic == TOPICS.dead_letters]
    fates = [*said(sink, TOPICS.classifications), *(int(dict(r.headers)["source_offset"]) for r in letters)]
    assert sorted(fates) == list(range(len(some)))


def test_the_inputs_of_each_run_and_how_training_showed_them_are_those_of_its_own_artefact():
    (one, _), (other, _) = model_of(Given(1, STATE_BYTES), "one"), model_of(Given(2, STATE_BYTES + 8), "other")
    (ours, theirs) = (shares_of({"ztf": np.zeros((10, len(INPUTS)), np.float32)}) for _ in range(2))
    both = by_survey(replace(one, known=lambda _: ours), {"ztf": replace(other, known=lambda _: theirs)}, None)
    some = [record(alertId=i + 1, objectId=str(i), survey=SURVEYS[i % 3], flux=float(i)) for i in range(12)]
    alerts, batch = alerts_of(some), batch_of(some)
    plan = both.memory.remember(alerts, Messages.of(batch, alerts))
    fluxes = plan.runs.rows["flux_njy"]
    wanted = np.where(fluxes % 3 == 1, 2 * fluxes, fluxes)
    assert both.classifier.inputs_of(plan.runs)[:, 0].tolist() == wanted.tolist()
    assert [both.known(survey) is ours for survey in ("plasticc", "ztf")] == [True, False]
    assert both.known("ztf") is theirs
