from pathlib import Path

import numpy as np
import pytest
import torch

from model.network import LightCurveLSTM, NetworkConfig
from tests.support.plasticc import objects
from training import splits
from training.dataset import Objects
from training.distil import say, soften, teacher_of
from training.examples import plain_pool
from training.fit import fit_fold
from training.recipe import Distillation, Network, Optimiser, Recipe, Sampling
from training.train import cuts, read_out, train

RECIPE = Recipe(
    name="small",
    network=Network(hidden=6, layers=1, head=8, embedding=4),
    optimiser=Optimiser(epochs=2, batch_size=32, learning_rate=5e-3, average=0.5),
    sampling=Sampling(readouts=4),
    distillation=Distillation(teacher_epochs=1),
)


@pytest.fixture(scope="module")
def data() -> Objects:
    return objects(per_class=10)


def parts(data: Objects, k: int) -> splits.Split:
    return splits.fold(data.ids, data.labels, splits.SEED, k)


def test_old_bug_7_no_teacher_saw_what_its_student_is_tested_on_or_what_it_labels(data: Objects) -> None:
    labelled: dict[int, set[int]] = {k: set() for k in range(splits.FOLDS)}
    for j in range(splits.FOLDS):
        for k in range(splits.FOLDS):
            if j != k:
                taught = set(np.intersect1d(parts(data, j).train, parts(data, k).train))
                assert not taught & set(parts(data, k).test) | taught & set(parts(data, k).validation)
                labels = set(np.intersect1d(parts(data, k).train, parts(data, j).test))
                assert not taught & labels
                labelled[k] |= labels
    for k, rows in labelled.items():
        assert rows == set(parts(data, k).train)


def test_every_training_object_gets_a_label_after_every_observation(data: Objects, tmp_path: Path) -> None:
    network, _ = train(RECIPE, data, None, tmp_path)
    pool = soften(plain_pool(data), data, np.arange(5, 60), network)
    for row, example in enumerate(pool):
        assert (example.soft is not None) == (5 <= row < 60)
        if example.soft is not None:
            assert example.soft.shape == (len(example.curve), 14)
            assert np.abs(example.soft.astype(float).sum(axis=1) - 1).max() < 5e-3


def test_a_label_is_what_the_teacher_says_then(data: Objects) -> None:
    torch.manual_seed(0)
    network = LightCurveLSTM(NetworkConfig(**RECIPE.network.model_dump())).eval()
    logits, _ = read_out(network, data, cuts(data))
    for row, soft in enumerate(say(plain_pool(data), network, 2.0)):
        expected = (logits[row] / 2).softmax(dim=1).numpy()
        assert soft[cuts(data)[row]] == pytest.approx(expected, abs=2e-3)


def test_folds_share_their_teachers(data: Objects, tmp_path: Path) -> None:
    stages: list[str] = []
    for k in (0, 1):
        fit_fold(RECIPE, data, k, tmp_path, lambda name, _, row: stages.append(f"{name}:{row['epoch']:.0f}"))
    teachers = [stage for stage in stages if "teacher" in stage]
    assert teachers == [f"small-teacher{p}:1" for p in ("01", "02", "03", "04", "12", "13", "14")]
    assert teacher_of(RECIPE, 1, 2).seed != teacher_of(RECIPE, 1, 3).seed


def test_a_killed_fit_resumes_at_any_stage_and_ends_in_the_same_weights(data: Objects, tmp_path: Path) -> None:
    whole, _ = fit_fold(RECIPE, data, 2, tmp_path / "whole")
    for stop in ("small-teacher12", "small"):

        def kill(name: str, _: int, row: dict[str, float], stop: str = stop) -> None:
            if name == stop and row["epoch"] == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit_fold(RECIPE, data, 2, tmp_path / "killed", kill)
    resumed, _ = fit_fold(RECIPE, data, 2, tmp_path / "killed")
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name


def test_without_weight_there_are_no_teachers(data: Objects, tmp_path: Path) -> None:
    alone = RECIPE.model_copy(update={"distillation": RECIPE.distillation.model_copy(update={"weight": 0.0})})
    fit_fold(alone, data, 0, tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == ["small-fold0"]
