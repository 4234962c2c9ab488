import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.artefact import load
from model.taxonomy import CLASS_IDS
from tests.support.plasticc import objects
from training import splits
from training.calibrate import FALSE_ALARM_RATE, calibrate, spread
from training.dataset import Objects
from training.evaluate import CUTS, evaluate, shift
from training.fit import digest, finish
from training.predict import COLUMNS, classify
from training.recipe import Network, Optimiser, Recipe, Sampling
from training.train import train

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
    split = splits.fold(data.ids, data.labels, splits.SEED, 0)
    trained = train(RECIPE, data.take(split.train), data.take(split.validation), folder / "run")
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
    artefact, card = load(folder), (folder / "MODEL_CARD.md").read_text()
    assert f"| full curve | {artefact.record['metrics']['wll']['full']:.3f} ±" in card
    assert artefact.record["data"]["sha256"] in card
    assert "10.5281/zenodo.2539456" in card


def test_the_flag_is_set_on_validation_at_the_stated_rate(data: Objects, folder: Path) -> None:
    network = load(folder).network
    whole = calibrate(network, "whole", data, data)
    assert whole.anomaly.false_alarm_rate == FALSE_ALARM_RATE
    assert whole.anomaly.threshold > 0
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
