import json
from pathlib import Path

import numpy as np
import pytest

from training import results
from training.files import DataError


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
