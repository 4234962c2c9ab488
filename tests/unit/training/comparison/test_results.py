import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from model import drift
from model.artefact import CARD, DEFAULT, MANIFEST, WEIGHTS, load
from training import tables
from training.card import card, standing
from training.comparison import results
from training.files import DataError

ROOT = Path(__file__).parents[4]


def figures(shift: float = 0.0) -> dict:
    cuts = dict.fromkeys(("full", "d10"), 0.5 + shift)
    scores = dict.fromkeys(results.SCORES, 0.8 + shift)
    return {"split": "a", "objects": 10, "wll": cuts, **scores, "errors": {"wll": cuts, **scores}, "per_class": {}}


def test_what_is_kept_is_read_and_what_else_is_there_stays(tmp_path: Path) -> None:
    results.keep(tmp_path, results.ANCHORS, ("paper", "0"), {"metrics": 1})
    results.keep(tmp_path, results.ANCHORS, ("lightgbm", "0"), {"metrics": 2})
    results.keep(tmp_path, results.ANCHORS, ("lightgbm", "1"), {"metrics": 3})
    results.keep(tmp_path, results.ANCHORS, ("lightgbm", "0"), {"metrics": 4})
    assert results.read(tmp_path, results.ANCHORS) == {
        "paper": {"0": {"metrics": 1}},
        "lightgbm": {"0": {"metrics": 4}, "1": {"metrics": 3}},
    }
    assert [f.name for f in tmp_path.iterdir()] == [results.ANCHORS]


def test_nothing_kept_is_nothing_and_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    assert results.read(tmp_path, results.FOLDS) == {}
    (tmp_path / results.FOLDS).write_text("{")
    with pytest.raises(DataError, match=r"folds.json is no JSON .*; delete it and compute it again"):
        results.read(tmp_path, results.FOLDS)


def test_folds_have_a_mean_and_a_standard_deviation_under_the_same_keys() -> None:
    across = results.across({"0": {"metrics": figures()}, "1": {"metrics": figures(0.1)}})
    assert across["objects"] == 20
    assert across["wll"] == pytest.approx({"full": 0.55, "d10": 0.55})
    assert across["errors"]["wll"]["full"] == pytest.approx(np.std([0.5, 0.6], ddof=1))
    for key in results.SCORES:
        assert across[key] == pytest.approx(0.85)
        assert across["errors"][key] == pytest.approx(np.std([0.8, 0.9], ddof=1))
    assert results.across({"3": {"metrics": figures()}})["errors"]["ece"] == 0


def test_an_anchor_keeps_its_main_figures() -> None:
    short = results.short(figures())
    assert "per_class" not in short
    assert json.dumps(short)
    assert set(short["errors"]) == {"wll", *results.SCORES}


def test_the_shipped_artefact_is_one_of_the_five_folds_in_the_reports() -> None:
    shipped, folds = load(DEFAULT), results.read(DEFAULT, results.FOLDS)
    own = folds[str(shipped.record["split"]["fold"])]
    assert list(folds) == ["0", "1", "2", "3", "4"]
    assert own["weights_sha256"] == json.loads((DEFAULT / MANIFEST).read_text())["weights_sha256"]
    for score in ("objects", "wll", "accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece"):
        assert own["metrics"][score] == shipped.record["metrics"][score]


def test_reports_are_not_part_of_the_artefact_and_not_of_the_wheel() -> None:
    assert {f.name for f in DEFAULT.iterdir()} == {WEIGHTS, MANIFEST, CARD, results.FIGURES, drift.FILE}
    assert {f.name for f in results.REPORTS.iterdir()} == {results.FOLDS, results.ANCHORS, results.LEFT_OUT}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["exclude"] == [str(results.REPORTS.relative_to(ROOT))]


def test_card_and_readme_show_what_the_reports_say() -> None:
    assert (DEFAULT / CARD).read_text() == card(load(DEFAULT), DEFAULT)
    table = tables.markdown(tables.comparison(DEFAULT))
    assert "LightGBM, 5 folds" in table
    assert "misweeper, 5 folds" in table
    readme = (ROOT / "README.md").read_text()
    assert f"\n{table}\n{tables.END}" in readme
    assert f"{tables.START}\n{standing(DEFAULT)}\n{tables.END}" in readme
    assert standing(DEFAULT).startswith("| natural priors, last point | with redshift | without context |")
