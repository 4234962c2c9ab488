import json
from pathlib import Path

import pytest

from model.artefact import MANIFEST
from training.comparison.folds import FoldsError, gather
from training.comparison.results import FOLDS as FILE
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
