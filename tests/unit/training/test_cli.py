import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from model.artefact import load, save
from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training import cli, recipe
from training.fetch import TRAIN_CURVES, TRAIN_METADATA


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def plasticc(tmp_path: Path) -> Path:
    """A folder with a tiny training set of two classes in Kaggle's form."""
    curves, metadata = tables(ids=tuple(range(1, 61)), each=6)
    metadata["target"] = [90, 42] * 30
    folder = tmp_path / "data"
    folder.mkdir()
    curves.to_csv(folder / TRAIN_CURVES, index=False)
    metadata.to_csv(folder / TRAIN_METADATA, index=False)
    return folder


@pytest.mark.parametrize("command", ["fetch", "fit", "folds", "evaluate", "predict", "holdout"])
def test_help_teaches_by_example(run, command: str) -> None:
    assert f"misweeper-train {command}" in run(command, "--help").stdout


def test_fit_then_evaluate(run, plasticc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.toml").write_text(
        "[network]\nhidden = 8\nlayers = 1\nhead = 8\nembedding = 4\n[optimiser]\nepochs = 2"
    )
    monkeypatch.setattr(recipe, "RECIPES", tmp_path)
    fitted = run("fit", "--recipe", "tiny", "--fold", 1, "--data", plasticc, "--runs", tmp_path / "runs")
    assert fitted.exit_code == 0, fitted.output
    folder = tmp_path / "runs" / "tiny-fold1" / "artefact"
    shown = run("evaluate", "--artefact", folder, "--data", plasticc, "--json", "-")
    figures = json.loads(shown.stdout)
    assert figures["objects"] == 12
    assert figures["wll"]["full"] == pytest.approx(load(folder).record["metrics"]["wll"]["full"], abs=2e-5)
    run("evaluate", "--artefact", folder, "--data", plasticc, "--json", tmp_path / "f.json")
    assert json.loads((tmp_path / "f.json").read_text()) == figures


def test_predict(run, tmp_path: Path) -> None:
    save(tmp_path / "artefact", untrained())
    curves, metadata = write(tmp_path, *tables())
    done = run("predict", curves, tmp_path / "p.csv", "--metadata", metadata, "--artefact", tmp_path / "artefact")
    assert done.exit_code == 0
    assert (tmp_path / "p.csv").read_text().startswith("object_id,class_6,")


def test_holdout(run, plasticc: Path, tmp_path: Path) -> None:
    assert run("holdout", tmp_path / "h.parquet", "--data", plasticc).exit_code == 0
    assert (tmp_path / "h.parquet").is_file()


def test_fetch_from_a_folder(run, tmp_path: Path) -> None:
    source = tmp_path / "kaggle"
    source.mkdir()
    for name, table in zip(("training_set.csv", "training_set_metadata.csv"), tables(), strict=True):
        table.to_csv(source / name, index=False)
    assert run("fetch", "--from", source, "--data", tmp_path / "cache").exit_code == 0
    assert (tmp_path / "cache" / TRAIN_CURVES).is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--artefact", "nowhere"),
        ("fit", "--recipe", "nothing", "--data", "nowhere"),
        ("fit", "--data", "nowhere"),
        ("fetch", "--from", "nowhere", "--data", "cache"),
        ("folds", "--runs", "nowhere"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["misweeper-train", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
