"""An archive's rows are answered as the service answers them when they come as alerts."""

import numpy as np
import pandas as pd
import pytest

from broker.archives import classified as module
from broker.archives.classified import PROBABILITIES, SCHEMA, classified
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.errors import StartupError
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from tests.support.alerts import alerts_of, batch_of

NUMBERS = [*PROBABILITIES, "p99", "anomaly_score"]
ROUNDING = 1e-5  # what one pass over a curve and steps with stored states may differ by
OBJECTS = 40


@pytest.fixture(scope="module")
def classifier():
    return Classifier(load(DEFAULT), device="cpu", threads=1)


@pytest.fixture(scope="module")
def heldout():
    return pd.read_parquet(HELDOUT)


@pytest.fixture(scope="module")
def some(heldout):
    """All rows of some objects, by time."""
    return heldout[heldout["object_id"].isin(heldout["object_id"].unique()[:OBJECTS])]


def same(ours: pd.DataFrame, theirs: pd.DataFrame, rounding: float = ROUNDING) -> None:
    """The same answers to the same objects, whatever the order."""
    keys = ["survey", "object_id", "mjd", "observations"]
    ours, theirs = (table.sort_values(keys, ignore_index=True) for table in (ours, theirs))
    pd.testing.assert_frame_equal(ours[keys], theirs[keys])
    assert np.allclose(ours[NUMBERS], theirs[NUMBERS], rtol=rounding, atol=rounding)
    assert (ours["anomaly"] == theirs["anomaly"]).all()


def serviced(records: list[dict], classifier: Classifier, at_once: int = 500) -> pd.DataFrame:
    """What the service says of native alerts that come in this order."""
    memory, said = Memory(InMemoryLightCurves(), classifier.fingerprint, classifier.start_state), []
    for first in range(0, len(records), at_once):
        batch, alerts = batch_of(records[first : first + at_once], first=first), alerts_of(records[first:][:at_once])
        plan = memory.remember(alerts, Messages.of(batch, alerts))
        verdicts, bodies = classifier.classify(plan.runs)
        memory.save(memory.states_of(plan, bodies), plan)
        answers = verdicts.take(plan.verdicts)
        table = pd.DataFrame(answers.probabilities, columns=list(PROBABILITIES))
        names = [name.decode().partition("/") for name in alerts.objects]
        more = {
            "survey": [survey for survey, _, _ in names], "object_id": [name for _, _, name in names],
            "mjd": alerts.own["mjd_tai"], "observations": plan.observations,
            "p99": answers.p99, "anomaly_score": answers.anomaly_scores, "anomaly": answers.anomalies,
        }  # fmt: skip
        said.append(table.assign(**more))
    return pd.concat(said, ignore_index=True)


def test_after_every_observation_it_says_what_the_service_says(some, classifier, tmp_path):
    some.to_parquet(tmp_path / "some.parquet")
    theirs = serviced(list(read_alerts(tmp_path / "some.parquet")), classifier)
    same(classified(some, classifier, every=True), theirs)


def test_the_columns_are_those_of_the_schema(some, classifier):
    said = classified(some, classifier)
    assert said.columns.tolist() == SCHEMA.names
    assert classified(some[:0], classifier).columns.tolist() == SCHEMA.names
    assert len(said) == OBJECTS
    assert said["probability"].to_numpy() == pytest.approx(said[list(PROBABILITIES)].max(axis=1).to_numpy())
    assert set(said["classifier_version"]) == {classifier.digest}
    assert set(said["priors"]) == {"balanced"}
    assert (said["observations"].to_numpy() == some.groupby("object_id").size().to_numpy()).all()


def test_the_order_of_rows_and_rows_that_come_twice_change_nothing(some, classifier):
    again = pd.concat([some, some[::7]]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(classified(again, classifier, every=True), classified(some, classifier, every=True))


def test_what_goes_through_the_classifier_together_changes_nothing(some, classifier, monkeypatch):
    whole = classified(some, classifier, every=True)
    monkeypatch.setattr(module, "STEPS_AT_ONCE", 300)
    same(classified(some, classifier, every=True), whole)


def test_the_newest_context_of_an_object_counts_as_it_does_in_the_service(some, classifier, tmp_path):
    known = some.copy()
    late = known["mjd"] > known["mjd"].median()
    known.loc[late, "hostgal_photoz"] += 0.5
    known.loc[~late, "ddf"] = False
    known.to_parquet(tmp_path / "some.parquet")
    theirs = serviced(list(read_alerts(tmp_path / "some.parquet")), classifier)
    same(classified(known, classifier), theirs.groupby("object_id", as_index=False).last())


def test_objects_of_two_surveys_with_one_name_are_two(some, classifier):
    both = pd.concat([some.assign(survey=survey) for survey in ("ztf", "rubin")])
    said = classified(both, classifier)
    assert said["survey"].tolist() == ["rubin"] * OBJECTS + ["ztf"] * OBJECTS
    assert (said[NUMBERS][:OBJECTS].to_numpy() == said[NUMBERS][OBJECTS:].to_numpy()).all()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("flux_err", 0.0, "fluxErr is 0.0; expected a finite number above 0"),
        ("flux", 1e13, "flux is 1.*0.0; expected a finite number, at most"),
        ("mjd", 2_459_000.5, "mjd is 2459000.5; expected a time between"),
        ("flux", np.nan, "flux of a row of object '615' is "),
        ("band", "w", "band of a row of object '615' is 'w'"),
        ("mwebv", -1.0, "mwebv is -1.0; expected between 0 and 1000"),
        ("survey", "Ztf", "survey is b?'Ztf'; expected one of plasticc"),
        ("object_id", "6\x1b15", "objectId is .*; expected 1 to 256 bytes, printable"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_objects_name(some, classifier, column, value, words):
    bad = some.assign(survey="plasticc", object_id="615").reset_index(drop=True).astype({column: object})
    bad.loc[17, column] = value
    with pytest.raises(StartupError, match=words) as caught:
        classified(bad, classifier, source="archive")
    assert str(caught.value).startswith("archive: ")
    assert str(caught.value).isprintable()


def test_a_missing_column_is_named(some, classifier):
    with pytest.raises(StartupError, match="the table has no column 'flux_err'"):
        classified(some.drop(columns="flux_err"), classifier)
