import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from model.anomaly import everywhere
from model.artefact import load
from model.taxonomy import CLASS_IDS
from tests.support.plasticc import objects
from training import plots, splits, tables
from training.calibrate import spread
from training.card import card, flags, write
from training.comparison import results
from training.dataset import Objects
from training.evaluate import CUTS, evaluate, shift
from training.fit import digest, finish, fit_fold
from training.predict import COLUMNS, classify
from training.recipe import Network, Optimiser, Recipe, Redshift, Sampling

RECIPE = Recipe(
    name="small",
    network=Network(hidden=8, layers=1, head=16, embedding=8),
    optimiser=Optimiser(epochs=8, batch_size=32, learning_rate=1e-2, average=0.5),
    sampling=Sampling(readouts=4),
)


@pytest.fixture(scope="module")
def data() -> Objects:
    return objects(per_class=12)


@pytest.fixture(scope="module")
def folder(data: Objects, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    trained = fit_fold(RECIPE, data, 0, folder / "run")
    finish(RECIPE, trained, data, 0, folder / "artefact", shifted=data)
    return folder / "artefact"


def test_the_record_says_where_it_came_from(folder: Path, data: Objects) -> None:
    record = load(folder).record
    assert Recipe.model_validate(record["recipe"]) == RECIPE
    assert record["split"]["fold"] == 0
    assert sum(record["split"][part] for part in ("train", "validation", "test")) == len(data)
    assert record["data"]["sha256"] == digest(data)
    assert record["training"]["epochs"] == 8
    assert "domain_shift" in record


def test_old_bug_7_nobody_sees_a_test_object(data: Objects, tmp_path: Path) -> None:
    network, _ = fit_fold(RECIPE, data, 0, tmp_path / "whole")
    test = set(splits.fold(data.ids, data.labels, splits.SEED, 0).test)
    changed = tuple(c[:1] if i in test else c for i, c in enumerate(data.curves))
    other = Objects(data.ids, data.labels, data.contexts, data.positions_deg, changed)
    again, _ = fit_fold(RECIPE, other, 0, tmp_path / "changed")
    for name, value in network.state_dict().items():
        assert value.equal(again.state_dict()[name]), name


def test_a_killed_fit_resumes_and_ends_in_the_same_weights_and_versions_count(data: Objects, tmp_path: Path) -> None:
    def kill(row: dict[str, float]) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_fold(RECIPE, data, 2, tmp_path / "killed", kill)
    never = RECIPE.model_copy(update={"redshift": Redshift(versions=0)})
    networks = [
        fit_fold(recipe, data, 2, tmp_path / run)[0].state_dict()
        for run, recipe in (("whole", RECIPE), ("killed", RECIPE), ("plain", never))
    ]
    whole, resumed, plain = networks
    assert all(value.equal(resumed[name]) for name, value in whole.items())
    assert not all(value.equal(plain[name]) for name, value in whole.items())


def test_the_artefact_is_the_one_evaluated(folder: Path, data: Objects) -> None:
    artefact = load(folder)
    test = splits.fold(data.ids, data.labels, splits.SEED, 0).test
    again = evaluate(artefact, data.take(test), "again")
    kept = artefact.record["metrics"]
    assert kept["wll"] == pytest.approx(again["wll"], abs=2e-5)
    assert kept["accuracy_natural"] == pytest.approx(again["accuracy_natural"], abs=2e-5)


def test_the_figures_have_the_agreed_keys(folder: Path) -> None:
    metrics = json.loads((folder / "artefact.json").read_text())["record"]["metrics"]
    assert {"split", "objects", "accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece"} <= set(metrics)
    assert set(metrics["wll"]) == set(CUTS)
    assert set(metrics["errors"]["wll"]) == set(CUTS)
    assert set(metrics["per_class"]) == {str(c) for c in CLASS_IDS}
    assert metrics["ddf"]["objects"] + metrics["wfd"]["objects"] == metrics["objects"]


def test_the_card_says_what_the_record_says(folder: Path) -> None:
    artefact, text = load(folder), (folder / "MODEL_CARD.md").read_text()
    assert f"| full curve | {artefact.record['metrics']['wll']['full']:.3f} ±" in text
    assert artefact.record["data"]["sha256"] in text
    assert "10.5281/zenodo.2539456" in text


def test_the_card_shows_other_skies_first(folder: Path) -> None:
    artefact = load(folder)
    assert "real skies" not in card(artefact)
    rows = {"with": {"labelled skies, mean recall": {"value": 0.5, "error": 0.01}}, "without": {}}
    shown = card(replace(artefact, record={**artefact.record, "skies": rows}))
    assert "| labelled skies, mean recall | 0.500 ± 0.010 |  |" in shown
    assert shown.index("## Figures on real skies") < shown.index("## Figures on PLAsTiCC")


def test_prototypes_are_of_all_of_a_curve(data: Objects) -> None:
    places = spread(data)
    assert (places[:, -1] == [len(c) - 1 for c in data.curves]).all()
    assert (places >= 0).all()


def test_missing_context_has_its_own_figures(folder: Path) -> None:
    metrics = load(folder).record["metrics"]
    assert metrics["missing_context"]["objects"] == metrics["objects"]
    assert metrics["missing_context"]["wll"]["full"] != metrics["wll"]["full"]


def test_the_shift_is_of_three_classes(folder: Path, data: Objects) -> None:
    three = data.take(np.flatnonzero(np.isin(data.labels, [42, 62, 90])))
    figures = shift(load(folder), three)
    assert figures["accuracy_three"] >= figures["accuracy_natural"]
    assert figures["mean_ln_p"] < 0


@pytest.mark.parametrize("natural", [False, True])
def test_rows_of_a_prediction_sum_to_1(folder: Path, data: Objects, natural: bool) -> None:
    table = classify(load(folder), data, natural=natural)
    assert list(table.columns) == COLUMNS
    assert table[COLUMNS[1:]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(data)), abs=1e-6)


def test_old_bug_3_class_99_is_never_0(folder: Path, data: Objects) -> None:
    assert (classify(load(folder), data)["class_99"] > 0).all()


def test_law_5_order_of_objects_changes_no_prediction(folder: Path, data: Objects) -> None:
    artefact = load(folder)
    order = np.random.default_rng(0).permutation(len(data))
    straight = classify(artefact, data).set_index("object_id")
    shuffled = classify(artefact, data.take(order)).set_index("object_id")
    pd.testing.assert_frame_equal(straight, shuffled.loc[straight.index], atol=1e-5)


def test_old_bug_7_no_test_object_reaches_training(data: Objects) -> None:
    split = splits.fold(data.ids, data.labels, splits.SEED, 0)
    tested = {c.tobytes() for c in data.take(split.test).curves}
    trained = {c.tobytes() for c in (*data.take(split.train).curves, *data.take(split.validation).curves)}
    assert not tested & trained


def with_figures(folder: Path, target: Path) -> Path:
    """A copy of the artefact with figures of every kind beside it."""
    shutil.copytree(folder, target)
    metrics = load(folder).record["metrics"]
    for k in ("0", "1"):
        kept = {"metrics": results.short(metrics), "seed": 7, "seconds": 90}
        results.keep(target, results.FOLDS, (k,), kept)
        results.keep(target, results.ANCHORS, ("lightgbm", k), kept)
    results.keep(target, results.ANCHORS, ("paper", "0"), kept)
    unseen = {
        "fold": 0,
        "epochs": 3,
        "objects": 4,
        "others": 50,
        "flagged": 0.25,
        "alerts_found": 0.3,
        "wll_with_99": 0.9,
    }
    for c, area in (("15", 0.7), ("64", 0.8), ("95", 0.9)):
        results.keep(
            target, results.LEFT_OUT, (c,), unseen | {"anomaly_auroc": area, "anomaly_auroc_d30": 0.6, "p99_auroc": 0.5}
        )
    return target


@pytest.fixture
def shipped(folder: Path, tmp_path: Path) -> Path:
    return with_figures(folder, tmp_path / "artefact")


@pytest.fixture(scope="module")
def drawn(folder: Path, data: Objects, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of all figures but one that has no numbers, and what is said of that."""
    place = tmp_path_factory.mktemp("drawn")
    (with_figures(folder, place / "artefact") / results.LEFT_OUT).unlink()
    run = place / "runs" / "paper-fold0"
    run.mkdir(parents=True)
    (run / "log.csv").write_text("epoch,loss,full,accuracy,seconds\n1,2.5,2.0,0.3,1\n2,2.0,1.5,0.4,2\n")
    return place / "figures", plots.draw(place / "figures", place / "artefact", data, place / "runs")


def test_the_comparison_has_a_column_for_everybody_and_says_which_folds(shipped: Path) -> None:
    rows = tables.comparison(shipped)
    assert rows[0] == (
        "", "misweeper, fold 0", "misweeper, 2 folds", "LightGBM, 2 folds", "the 2018 report's network, mended, fold 0",
    )  # fmt: skip
    assert {len(cells) for cells in rows} == {5}
    cells = {name: rest for name, *rest in rows[1:]}
    metrics = load(shipped).record["metrics"]
    own = f"{metrics['wll']['d30']:.3f}"
    assert cells["WLL, +30 d"][0] == f"{own} ± {metrics['errors']['wll']['d30']:.3f}"
    assert cells["WLL, +30 d"][1] == f"{own} ± 0.000"
    assert cells["AUROC of unseen classes, anomaly score"][0] == "0.800"


def test_the_card_tells_of_folds_seeds_and_unseen_classes(shipped: Path) -> None:
    without = (shipped / "MODEL_CARD.md").read_text()
    assert "has not been measured" in without
    write(shipped)
    card = (shipped / "MODEL_CARD.md").read_text()
    assert "has not been measured" not in card
    assert tables.markdown(tables.comparison(shipped)) in card
    assert "| 1 | " in card
    assert " | 7 | 2 |" in card
    assert "| 95 SLSN-I | 4 of 54 | 0.90 | 0.60 | 0.50 | 0.25 | 0.30 | 0.90 |" in card


def test_the_card_says_what_is_flagged_where_there_is_one_threshold_and_where_there_are_more(folder: Path) -> None:
    artefact = load(folder)
    uniform = replace(artefact.anomaly, thresholds=everywhere(6.0), false_alarm_rate=0.01)
    assert flags(replace(artefact, anomaly=uniform)) == "Flagged above 6.00, which 1.0% of validation read-outs exceed"
    assert flags(artefact).startswith("Flagged above ")
    assert "training/NOTES.md" in (folder / "MODEL_CARD.md").read_text()


def test_held_out_figures_and_those_of_the_folds_have_the_same_keys(shipped: Path) -> None:
    write(shipped)
    figures = json.loads((shipped / "figures.json").read_text())
    agreed = {"split", "objects", "wll", "accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece"}
    for part in ("held_out", "folds"):
        assert agreed <= set(figures[part])
        assert {"full", "d10", "d30", "d60"} <= set(figures[part]["wll"])
        assert figures[part]["anomaly_auroc"] == {"15": 0.7, "64": 0.8, "95": 0.9}
    assert figures["held_out"]["wll"] == load(shipped).record["metrics"]["wll"]


def test_every_score_has_a_value_and_an_error_at_every_cut(folder: Path) -> None:
    metrics = load(folder).record["metrics"]
    for part in (metrics, metrics["ddf"], metrics["wfd"], metrics["missing_context"]):
        for key in ("accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece"):
            assert set(part["by_time"][key]) == set(part["errors"]["by_time"][key]) == set(CUTS)
            assert part["by_time"][key]["full"] == part[key]


def test_a_readmes_table_is_replaced_between_its_marks(tmp_path: Path) -> None:
    text = tmp_path / "README.md"
    text.write_text(f"before\n{tables.START}\nold\n{tables.END}\nafter")
    assert tables.replaced(text, "| new |") == f"before\n{tables.START}\n| new |\n{tables.END}\nafter"


def test_every_figure_is_drawn_and_one_without_numbers_is_named(drawn: tuple[Path, list[str]], tmp_path: Path) -> None:
    figures, missing = drawn
    assert [sentence.split(":")[0] for sentence in missing] == ["anomaly_roc.png"]
    assert {f.name for f in figures.iterdir()} == {
        "class_counts.png", "confusion.png", "light_curves.png", "loss_by_time.png",
        "precision_recall.png", "reliability.png", "report_balancing.png", "training_curves.png",
    }  # fmt: skip
    curve = {"false_alarm_rates": [0, 0.5, 1], "anomaly_found": [0, 0.8, 1], "p99_found": [0, 0.5, 1]}
    found = curve | {"anomaly_auroc": 0.7, "p99_auroc": 0.5, "objects": 4}
    plots.anomaly_roc(tmp_path / "anomaly_roc.png", "caption", {"15": found, "64": found})
    assert (tmp_path / "anomaly_roc.png").is_file()


def test_every_figure_names_its_artefact_and_fold(drawn: tuple[Path, list[str]], folder: Path) -> None:
    artefact = load(folder)
    caption = f"{artefact.name} {artefact.digest[:12]}, fold 0"
    for figure in drawn[0].iterdir():
        assert caption.encode() in figure.read_bytes(), figure.name  # the file's title is the caption drawn


def test_class_counts_are_the_networks_own_and_the_reports_balancing_is_said_to_be_the_reports(
    shipped: Path, data: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shipped / results.LEFT_OUT).unlink()
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: (path.touch(), drawn.update({path.name: figure})))
    plots.draw(tmp_path / "figures", shipped, data, tmp_path / "runs")
    figures = {name.partition(".")[0]: figure for name, figure in drawn.items()}
    (own,) = figures["class_counts"].axes
    split = splits.fold(data.ids, data.labels, splits.SEED, 0)
    assert [int(sum(bar.get_width() for bar in bars)) for bars in own.containers if isinstance(bars, BarContainer)] == [
        len(split.train), len(split.validation), len(split.test),
    ]  # fmt: skip
    assert "balancing" not in own.get_legend().get_title().get_text()
    (report,) = figures["report_balancing"].axes
    assert report.get_legend().get_title().get_text() == "the 2018 report's balancing"
    assert "is not trained on this" in figures["report_balancing"].get_suptitle()
    upper, _ = figures["reliability"].axes
    said = [text.get_text() for text in upper.get_legend().get_texts()]
    metrics = load(shipped).record["metrics"]
    assert f"natural priors: {metrics['ece']:.3f}" in said
    assert f"balanced priors and weights: {metrics['ece_balanced']:.3f}" in said
    assert any("\nof " in text.get_text() for text in figures["confusion"].axes[0].texts)
    assert " of " in figures["precision_recall"].axes[0].get_title()


def test_a_recall_says_of_how_many_objects() -> None:
    assert tables.recall({"recall": 1.0, "recall_error": 0.0, "objects": 6}) == "1.00 of 6"
    assert tables.recall({"recall": 0.93, "recall_error": 0.017, "objects": 230}) == "0.93 ± 0.02 of 230"
