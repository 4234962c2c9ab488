import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import training
from model.artefact import load, save
from tests.support.artefacts import untrained
from tests.support.plasticc import tables as tables_of
from tests.support.plasticc import write
from tests.support.training_runs import fitted as fitted_in
from tests.support.training_runs import invoke, tiny_recipes, training_data
from training import cli, comparison, recipe, tables
from training.comparison import anchor
from training.fetch import TRAIN_CURVES


@pytest.fixture
def run():
    return invoke


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command line with some arguments, to what it says on standard error where it ends with exit code 2."""

    def said(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["misweeper-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        found = capsys.readouterr().err
        assert stopped.value.code == 2, found
        assert "Traceback" not in found
        return " ".join(found.split())

    return said


@pytest.fixture
def plasticc(tmp_path: Path) -> Path:
    return training_data(tmp_path / "data")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes that take no time, under the names of the real ones."""
    monkeypatch.setattr(recipe, "RECIPES", tiny_recipes(tmp_path / "recipes"))


COMMANDS = (
    "fetch",
    "fit",
    "evaluate",
    "folds",
    "anchor",
    "leave-out",
    "plots",
    "card",
    "predict",
    "holdout",
    "thresholds",
    "usual",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(run, command: str) -> None:
    assert f"misweeper-train {command}" in run(command, "--help").stdout


@pytest.fixture
def fitted(plasticc: Path, tmp_path: Path, tiny: None) -> Path:
    """The directory of an artefact of fold 1."""
    return fitted_in(plasticc, tmp_path / "runs")


def test_fit_then_evaluate(run, plasticc: Path, tmp_path: Path, fitted: Path) -> None:
    shown = run("evaluate", "--artefact", fitted, "--data", plasticc, "--json", "-")
    figures = json.loads(shown.stdout)
    assert figures["objects"] == 12
    assert figures["wll"]["full"] == pytest.approx(load(fitted).record["metrics"]["wll"]["full"], abs=2e-5)
    run("evaluate", "--artefact", fitted, "--data", plasticc, "--json", tmp_path / "f.json")
    assert json.loads((tmp_path / "f.json").read_text()) == figures


def test_the_test_part_is_evaluated_as_a_survey_would_show_it(
    run, plasticc: Path, tmp_path: Path, fitted: Path
) -> None:
    common = ("--artefact", fitted, "--data", plasticc)
    shown = run("evaluate", "--view", "rubin", *common, "--json", tmp_path / "f.json")
    assert shown.exit_code == 0, shown.output
    assert "Alerts of the view rubin, natural priors, by_days" in shown.output
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["objects"] == 12
    assert figures["split"].endswith("fold 1, test part, view rubin")
    assert figures["alerts"]["by_points"]["1"]["objects"] == 12  # a first alert is one row
    plain = json.loads(run("evaluate", "--view", "plasticc", *common, "--json", "-").stdout)
    assert plain["wll"] == json.loads(run("evaluate", *common, "--json", "-").stdout)["wll"]


def test_figures_computed_anew_are_kept_in_the_artefact_and_nothing_else_changes(
    run, plasticc: Path, fitted: Path
) -> None:
    before = load(fitted)
    save(fitted, replace(before, record={**before.record, "metrics": {"objects": 0}}))
    assert run("evaluate", "--artefact", fitted, "--data", plasticc, "--keep").exit_code == 0
    after = load(fitted)
    assert after.record == before.record
    assert after.digest == before.digest


def test_what_takes_long_is_kept_beside_the_artefact_and_told_by_evaluate_and_card(
    run, plasticc: Path, tmp_path: Path, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs, artefact = ("--data", plasticc), ("--runs", tmp_path / "runs"), ("--artefact", fitted)
    monkeypatch.setattr(anchor, "ROUNDS", 2)
    monkeypatch.setattr(anchor, "SETTINGS", anchor.SETTINGS | {"min_data_in_leaf": 2})
    shown = run("fit", "--recipe", "paper", "--fold", 1, *data, *runs, "--out", fitted)
    assert shown.exit_code == 0, shown.output
    assert "Balancing the training part" in shown.stdout
    published = run("fit", "--recipe", "paper-as-published", "--fold", 1, *data, *runs)
    assert published.exit_code == 0, published.output
    assert "p99_zero" in (tmp_path / "runs" / "paper-as-published-fold1" / "anchors.json").read_text()
    assert run("anchor", "--fold", 1, *data, *artefact).exit_code == 0
    left = run("leave-out", 42, "--epochs", 1, *data, *runs, *artefact)
    assert "42 SN II" in left.stdout
    figures = json.loads(run("evaluate", *data, *artefact, "--json", "-").stdout)
    assert set(figures["anchors"]) == {"paper", "lightgbm"}
    assert figures["anchors"]["paper"]["1"]["metrics"]["objects"] == 12
    assert set(figures["anomaly_auroc"]) == set(figures["p99_auroc"]) == {"42"}
    table = run("evaluate", *artefact, "--markdown").stdout
    assert table.startswith("|  | misweeper, fold 1 | LightGBM, fold 1 | the 2018 report's network, mended, fold 1 |")
    readme = tmp_path / "README.md"
    readme.write_text(f"{tables.START}\n{tables.END}\n")
    assert run("card", *artefact, "--readme", readme).exit_code == 0
    assert table in readme.read_text()
    assert table in (fitted / "MODEL_CARD.md").read_text()


def test_five_folds_are_gathered_and_told_under_the_same_keys(run, refused, tmp_path: Path, fitted: Path) -> None:
    few = refused("evaluate", "--artefact", fitted, "--folds", 5)
    assert "holds 0 folds, not 5: fit the recipe on every fold, then run `misweeper-train folds`" in few
    for k in range(5):
        if k != 1:
            shutil.copytree(fitted, tmp_path / "runs" / f"tiny-fold{k}" / "artefact")
    assert run("folds", "--recipe", "tiny", "--runs", tmp_path / "runs", "--artefact", fitted).exit_code == 0
    figures = json.loads(run("evaluate", "--artefact", fitted, "--folds", 5, "--json", "-").stdout)
    assert figures["objects"] == 60
    assert {"split", "wll", "accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece"} <= set(figures)
    assert figures["errors"]["wll"]["full"] == 0
    assert "there is no view x; choose plasticc" in refused("folds", "--data", tmp_path / "nowhere", "--view", "x")


def test_predict(run, tmp_path: Path) -> None:
    save(tmp_path / "artefact", untrained())
    curves, metadata = write(tmp_path, *tables_of())
    done = run("predict", curves, tmp_path / "p.csv", "--metadata", metadata, "--artefact", tmp_path / "artefact")
    assert done.exit_code == 0
    assert (tmp_path / "p.csv").read_text().startswith("object_id,class_6,")


def test_holdout(run, plasticc: Path, tmp_path: Path) -> None:
    assert run("holdout", tmp_path / "h.parquet", "--data", plasticc).exit_code == 0
    assert (tmp_path / "h.parquet").is_file()


def test_fetch_from_a_folder(run, tmp_path: Path) -> None:
    source = tmp_path / "kaggle"
    source.mkdir()
    for name, table in zip(("training_set.csv", "training_set_metadata.csv"), tables_of(), strict=True):
        table.to_csv(source / name, index=False)
    assert run("fetch", "--from", source, "--data", tmp_path / "cache").exit_code == 0
    assert (tmp_path / "cache" / TRAIN_CURVES).is_file()


def test_metadata_beside_the_light_curves_are_found(run, tmp_path: Path) -> None:
    save(tmp_path / "artefact", untrained())
    curves, metadata = tables_of()
    curves.to_csv(tmp_path / "test_set.csv", index=False)
    metadata.to_csv(tmp_path / "test_set_metadata.csv", index=False)
    done = run("predict", tmp_path / "test_set.csv", tmp_path / "p.parquet", "--artefact", tmp_path / "artefact")
    assert done.exit_code == 0
    assert (tmp_path / "p.parquet").is_file()


def test_old_bug_2_an_artefact_whose_columns_differ_is_refused(refused, tmp_path: Path) -> None:
    save(tmp_path / "artefact", untrained())
    manifest = tmp_path / "artefact" / "artefact.json"
    told = json.loads(manifest.read_text())
    told["statistics"] = [*told["statistics"][1:], told["statistics"][0]]  # `size` first in training, last at inference
    manifest.write_text(json.dumps(told))
    curves, _ = write(tmp_path, *tables_of())
    said = refused("predict", curves, tmp_path / "p.csv", "--artefact", tmp_path / "artefact")
    assert "its statistics are others than this misweeper's" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--artefact", "nowhere"),
        ("fit", "--recipe", "nothing", "--data", "nowhere"),
        ("fit", "--data", "nowhere"),
        ("fetch", "--from", "nowhere", "--data", "cache"),
        ("folds", "--runs", "nowhere"),
        ("evaluate", "--sky", "nowhere"),
        ("evaluate", "--view", "nowhere"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(
    refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(*arguments)


@pytest.mark.parametrize(("command", "module"), [("anchor", "lightgbm"), ("plots", "matplotlib")])
def test_a_command_whose_extra_is_missing_says_which(
    refused, monkeypatch: pytest.MonkeyPatch, command: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for room in (training, comparison):
        monkeypatch.delitem(sys.modules, f"{room.__name__}.{command}", raising=False)
        monkeypatch.delattr(room, command, raising=False)
    assert f"this needs {module}; pip install 'misweeper[train]'" in refused(command)
