"""What training has seen, put into an artefact that lacks it, by `calibrate` and by `misweeper-train usual`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from model.anomaly import PROTOTYPES, everywhere
from model.artefact import ArtefactError, load, save
from model.classifier import Classifier
from model.drift import FILE, shares_of, write_shares
from model.features import INPUTS
from model.runs import Runs
from model.taxonomy import CLASSES
from tests.support.artefacts import untrained
from tests.support.plasticc import objects, tables
from training import cli
from training.calibrate import calibrate, what_was_seen
from training.dataset import Objects
from training.fetch import TRAIN_CURVES, TRAIN_METADATA
from training.files import DataError
from training.options import labelled
from training.recipe import Recipe
from training.splits import SEED, fold

DATA = objects(per_class=8)


def verdicts(classifier: Classifier, data: Objects):
    """What is said of whole light curves."""
    ends, start = np.cumsum([len(curve) for curve in data.curves]), np.tile(classifier.start_state, (len(data), 1))
    return classifier.classify(Runs(start, np.concatenate(data.curves), ends, data.contexts, ends - 1))[0]


def test_a_calibrated_artefact_says_why_it_flags_and_keeps_that_on_the_disk(tmp_path: Path) -> None:
    made = calibrate(untrained().network, "tiny", DATA, DATA)
    artefact = save(tmp_path / "a", replace(made, anomaly=replace(made.anomaly, thresholds=everywhere(0.0))))
    assert artefact.seen is not None
    assert len(artefact.anomaly.prototypes) == PROTOTYPES * len(CLASSES)
    said = verdicts(Classifier(artefact, device="cpu"), DATA)
    assert said.anomalies.all()
    assert ((said.nearest >= 0) & (said.nearest < len(CLASSES))).all()
    assert (said.furthest >= 0).all()
    assert (np.abs(said.deviations[:, 0]) >= np.abs(said.deviations[:, 2])).all()
    assert all(len(set(row)) == 3 for row in said.furthest.tolist())
    calm = verdicts(Classifier(replace(artefact, anomaly=made.anomaly), device="cpu"), DATA)
    quiet = ~calm.anomalies
    assert quiet.any()
    assert (calm.nearest[quiet] == -1).all()
    assert (calm.furthest[quiet] == -1).all()


def test_an_artefact_without_it_names_the_class_and_no_statistics() -> None:
    made = calibrate(untrained().network, "tiny", DATA, DATA)
    anomaly = replace(made.anomaly, thresholds=everywhere(0.0))
    said = verdicts(Classifier(replace(made, seen=None, anomaly=anomaly), device="cpu"), DATA)
    assert (said.nearest >= 0).all()
    assert (said.furthest == -1).all()


def test_one_whose_classes_have_fewer_prototypes_names_neither() -> None:
    made = calibrate(untrained().network, "tiny", DATA, DATA)
    anomaly = replace(made.anomaly, thresholds=everywhere(0.0), prototypes=made.anomaly.prototypes[1:])
    said = verdicts(Classifier(replace(made, anomaly=anomaly), device="cpu"), DATA)
    assert (said.nearest == -1).all()
    assert (said.furthest == -1).all()


def test_a_brighter_object_than_any_in_training_is_outside_and_its_answer_nearer_to_the_priors() -> None:
    made = calibrate(untrained().network, "tiny", DATA, DATA)
    bright = DATA.take(np.arange(4))
    curves = tuple(curve.copy() for curve in bright.curves)
    for curve in curves:
        curve["flux_njy"] *= 1e4
    known, far = (verdicts(Classifier(made, device="cpu"), data) for data in (bright, replace(bright, curves=curves)))
    assert (known.qualities == 0).all()
    assert (far.qualities == 2).all()


def test_the_command_makes_a_new_version_and_changes_nothing_else(tmp_path: Path) -> None:
    curves, metadata = tables(ids=tuple(range(1, 61)), each=6)
    metadata["target"] = [90, 42] * 30
    curves.to_csv(tmp_path / TRAIN_CURVES, index=False)
    metadata.to_csv(tmp_path / TRAIN_METADATA, index=False)
    record = {"split": {"seed": SEED, "fold": 0}, "recipe": {"name": "tiny", "views": {"rubin": 0.2}}}
    before = save(tmp_path / "old", replace(untrained(), record=record))
    assert before.seen is None
    write_shares(tmp_path / "old", shares_of({"rubin": np.eye(9, len(INPUTS), dtype=np.float32)}))
    common = ["usual", "--artefact", str(tmp_path / "old"), "--data", str(tmp_path)]
    done = CliRunner().invoke(cli.app, [*common, "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    after = load(tmp_path / "new")
    assert (tmp_path / "new" / FILE).read_bytes() == (tmp_path / "old" / FILE).read_bytes()
    assert after.seen is not None
    objects = labelled(tmp_path / TRAIN_CURVES, tmp_path / TRAIN_METADATA, "target")
    training = objects.take(fold(objects.ids, objects.labels, SEED, 0).train)
    calibrated = calibrate(before.network, "tiny", training, training, Recipe(**record["recipe"])).seen
    assert calibrated is not None
    assert after.seen.means.equal(calibrated.means)
    assert after.seen.most.equal(calibrated.most)
    assert after.digest != before.digest
    assert after.anomaly.thresholds.equal(before.anomaly.thresholds)
    assert after.record == before.record
    assert all(v.equal(after.network.state_dict()[k]) for k, v in before.network.state_dict().items())
    with pytest.raises(DataError, match="is the artefact itself; name another directory"):
        CliRunner().invoke(cli.app, [*common, "--out", str(tmp_path / "old")], catch_exceptions=False)


@pytest.mark.parametrize("name", ["means", "deviations", "least", "most"])
@pytest.mark.parametrize("damage", [lambda t: t[:, :-1], lambda t: torch.full_like(t, float("inf"))])
def test_an_artefact_whose_usual_values_cannot_be_is_refused(tmp_path: Path, name: str, damage) -> None:
    seen = what_was_seen([DATA])
    wrong = replace(seen, **{name: damage(getattr(seen, name)).contiguous()})
    with pytest.raises(ArtefactError, match=rf"seen\.{name}"):
        save(tmp_path / "a", replace(untrained(), seen=wrong))


def test_a_deviation_of_zero_is_refused(tmp_path: Path) -> None:
    seen = what_was_seen([DATA])
    with pytest.raises(ArtefactError, match=r"seen\.deviations holds a scale that is not above 0"):
        save(tmp_path / "a", replace(untrained(), seen=replace(seen, deviations=0 * seen.deviations)))
