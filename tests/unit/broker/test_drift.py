"""Drift is looked for in a sample, by survey, of what the classifier is really given."""

import numpy as np
import pytest

from broker.drift import EVERY_S, LEAST, Drift
from broker.interfaces import Model
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from broker.metrics import Metrics
from model.drift import shares_of
from model.features import INPUTS
from tests.support.alerts import alerts_of, batch_of, record
from tests.support.echo import Echo


class Given(Echo):
    """Its inputs are the rows' numbers, the same for every input."""

    def inputs_of(self, runs):
        assert runs.ends[-1] == len(runs.rows)
        assert len(runs.ends) == len(runs.states) == len(runs.contexts)
        return np.repeat(runs.rows["flux_njy"].astype(np.float32)[:, None], len(INPUTS), 1)


@pytest.fixture
def way():
    """Shows batches of records to a watcher, a second after each other."""
    now, metrics, store = [0.0], Metrics(), InMemoryLightCurves()
    training = np.repeat(np.random.default_rng(1).normal(size=(5_000, 1)).astype(np.float32), len(INPUTS), 1)
    drift, known = Drift(metrics, lambda: now[0]), shares_of({"ztf": training, "rubin": training + 5})
    moved = shares_of({"ztf": training + 5})
    classifier = Given()
    memory = Memory(store, classifier.fingerprint, classifier.start_state)
    models = [Model(classifier, memory, None, known=lambda _, one=one: one) for one in (known, moved, None)]

    def show(records, seconds=EVERY_S, number=0):
        model = models[number]
        now[0] += seconds
        plan = model.memory.remember(alerts_of(records), Messages.of(batch_of(records), alerts_of(records)))
        drift.look(model, plan)
        return {
            (s.labels["survey"], s.labels["feature"]): s.value
            for f in metrics.registry.collect()
            if f.name == "misweeper_input_drift_psi"
            for s in f.samples
        }

    return show


def records(survey: str, mean: float, seed: int, n: int = 250) -> list[dict]:
    fluxes = np.random.default_rng(seed).normal(mean, 1, n).tolist()
    return [
        record(alertId=i + 1, objectId=f"{seed}-{i}", survey=survey, flux=flux, mjd=59_000.0)
        for i, flux in enumerate(fluxes)
    ]


def test_a_survey_that_has_moved_is_told_and_one_that_has_not_is_not(way):
    for seed in range(0, 16, 2):
        told = way(records("ztf", 0.0, seed, 125) + records("lsst", 7.0, seed + 1, 125))
    assert {survey for survey, _ in told} == {"ztf", "lsst"}
    assert len(told) == 2 * len(INPUTS)
    assert max(value for (survey, _), value in told.items() if survey == "ztf") < 0.1
    assert min(value for (survey, _), value in told.items() if survey == "lsst") > 0.25


def test_nothing_is_told_of_few_observations_nor_of_a_survey_that_training_does_not_show(way):
    assert way(records("ztf", 0.0, 1)) == {}
    for seed in range(8):
        assert way(records("other", 0.0, seed)) == {}


def test_one_sample_a_second_is_taken_however_many_batches_come(way):
    for seed in range(2 * LEAST // 250):
        assert way(records("ztf", 0.0, seed), seconds=EVERY_S / 100) == {}


def test_a_long_curve_that_is_computed_again_is_not_looked_at(way):
    long = [record(alertId=i + 1, objectId="x", survey="ztf", mjd=59_000.0 + i, flux=1.0) for i in range(300)]
    assert way(long) == {}
    assert way([record(alertId=301, objectId="x", survey="ztf", mjd=58_000.0, flux=1.0)]) == {}


def test_another_artefact_is_measured_against_its_own_training_and_begins_anew(way):
    for number, least, most in ((0, 0.0, 0.1), (1, 0.25, np.inf)):
        told = [way(records("ztf", 0.0, 10 * number + seed), number=number) for seed in range(8)]
        assert told[0] == {}, "what was told of the one before is told no more"
        assert least <= min(told[-1].values()) <= max(told[-1].values()) < most
    assert way(records("ztf", 0.0, 30), number=2) == {}, "this one does not say what it was trained on"
