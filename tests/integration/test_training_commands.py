"""Commands of `misweeper-train` that draw a run, or ask the networks of all folds: some seconds each."""

import shutil
from pathlib import Path

import pytest

from tests.support.skies import write_sky
from tests.support.training_runs import fitted, invoke, tiny_recipes, training_data
from training import recipe


def test_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "RECIPES", tiny_recipes(tmp_path / "recipes"))
    data = training_data(tmp_path / "data")
    common = ("--out", tmp_path / "p", "--data", data, "--artefact", fitted(data, tmp_path / "runs"))
    drawn = invoke("plots", *common, "--runs", tmp_path / "runs")
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "p" / "training_curves.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "sky").mkdir()
    write_sky(tmp_path / "sky", "ztf_snia", [90] * 3)
    assert invoke("plots", "views", *common, "--sky", tmp_path / "sky").exit_code == 0
    assert (tmp_path / "p" / "views.png").read_bytes().startswith(b"\x89PNG")


def test_the_objects_of_all_folds_are_judged_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "RECIPES", tiny_recipes(tmp_path / "recipes"))
    data, runs = training_data(tmp_path / "data"), tmp_path / "runs"
    one = fitted(data, runs)
    for k in (0, 2, 3, 4):
        shutil.copytree(one, runs / f"tiny-fold{k}" / "artefact")
    shown = invoke("folds", "--recipe", "tiny", "--runs", runs, "--data", data, "--view", "detections")
    assert "60 held-out objects, by time" in shown.output
