"""`misweeper-train plots` draws a run, and the views beside labelled skies."""

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
