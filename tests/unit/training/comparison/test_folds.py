import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.artefact import MANIFEST, Artefact, save
from tests.support.artefacts import untrained
from tests.support.plasticc import objects
from training import splits
from training.comparison import folds
from training.comparison.folds import FoldsError, gather
from training.comparison.results import FOLDS as FILE
from training.dataset import Objects
from training.evaluate import figures, predict
from training.splits import FOLDS


def fitted(runs: Path, k: int, recipe: str = "small", setting: int = 1) -> None:
    folder = runs / f"{recipe}-fold{k}" / "artefact"
    folder.mkdir(parents=True)
    record = {
        "recipe": {"name": recipe, "setting": setting}, "data": {"sha256": "0"}, "seed": 7,
        "training": {"seconds": 60 + k, "best_epoch": 3}, "metrics": {"wll": {"full": 0.3 + k / 10}},
    }  # fmt: skip
    manifest = {"record": record, "temperature": 1.1, "weights_sha256": str(k)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_each_folds_figures_seed_and_wall_time_are_kept(tmp_path: Path) -> None:
    for k in range(FOLDS):
        fitted(tmp_path, k)
    gather(tmp_path, "small", tmp_path / "out")
    kept = json.loads((tmp_path / "out" / FILE).read_text())
    assert list(kept) == ["0", "1", "2", "3", "4"]
    assert [fold["metrics"]["wll"]["full"] for fold in kept.values()] == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7])
    assert [fold["seconds"] for fold in kept.values()] == [60, 61, 62, 63, 64]
    assert {fold["seed"] for fold in kept.values()} == {7}


def test_a_fold_that_is_missing_is_named(tmp_path: Path) -> None:
    fitted(tmp_path, 0)
    with pytest.raises(FoldsError, match="fit --recipe small --fold 1"):
        gather(tmp_path, "small", tmp_path / "out")


def test_folds_of_different_recipes_are_not_mixed(tmp_path: Path) -> None:
    for k in range(FOLDS):
        fitted(tmp_path, k, setting=k // 4)
    with pytest.raises(FoldsError, match="different recipes"):
        gather(tmp_path, "small", tmp_path / "out")
    with pytest.raises(FoldsError, match="different recipes"):
        folds.pooled(tmp_path, "small", objects(), "plasticc")


def test_all_folds_test_objects_are_answered_together_each_once_by_the_network_that_never_saw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, asked = objects(), []
    for k in range(FOLDS):
        save(
            tmp_path / f"small-fold{k}" / "artefact",
            replace(untrained(), name=f"small-fold{k}", record={"recipe": "none", "data": "none"}),
        )

    def predicted(artefact: Artefact, part: Objects) -> tuple[NDArray[np.float32], ...]:
        asked.append((artefact.name, part.ids.tolist()))
        return predict(artefact, part)

    monkeypatch.setattr(folds, "predict", predicted)
    found = folds.pooled(tmp_path, "small", everything, "plasticc")
    assert found["objects"] == len(everything) == sum(len(ids) for _, ids in asked)
    for k, (name, ids) in enumerate(asked):
        assert name == f"small-fold{k}"
        assert ids == everything.ids[splits.fold(everything.ids, everything.labels, splits.SEED, k).test].tolist()
    own = figures(*predict(untrained(), everything)[:2], everything, "")
    assert found["wll"] == pytest.approx(own["wll"], rel=1e-5)  # the five are one network
