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
from training.train import best_temperature, cuts, read_out

RECIPE = Recipe(
    name="small",
    network=Network(hidden=6, layers=1, head=8, embedding=4),
    optimiser=Optimiser(epochs=2, batch_size=32, learning_rate=5e-3, average=0.5),
    sampling=Sampling(readouts=4),
    distillation=Distillation(teachers=2, weight=0.5),
)


@pytest.fixture(scope="module")
def data() -> Objects:
    return objects(per_class=10)


def untrained(seed: int) -> LightCurveLSTM:
    torch.manual_seed(seed)
    return LightCurveLSTM(NetworkConfig(**RECIPE.network.model_dump())).eval()


def test_every_object_gets_a_label_after_every_observation(data: Objects) -> None:
    for example in soften(plain_pool(data), [untrained(0), untrained(1)], data):
        assert example.soft is not None
        assert example.soft.shape == (len(example.curve), 14)
        assert np.abs(example.soft.astype(float).sum(axis=1) - 1).max() < 5e-3


def test_a_teacher_says_what_it_would_say_then(data: Objects) -> None:
    logits, _ = read_out(untrained(0), data, cuts(data))
    for row, soft in enumerate(say(plain_pool(data), untrained(0), 2.0)):
        expected = (logits[row] / 2).softmax(dim=1).numpy()
        assert soft[cuts(data)[row]] == pytest.approx(expected, abs=2e-3)


def test_a_label_is_the_teachers_mean_each_at_its_best_temperature(data: Objects) -> None:
    teachers = [untrained(0), untrained(1)]
    temperatures = [best_temperature(read_out(t, data, cuts(data))[0], data.labels) for t in teachers]
    said = [say(plain_pool(data), *pair) for pair in zip(teachers, temperatures, strict=True)]
    for one, other, example in zip(*said, soften(plain_pool(data), teachers, data), strict=True):
        assert example.soft == pytest.approx((one.astype(float) + other) / 2, abs=1e-3)


def test_teachers_differ_in_their_seed_and_have_none_themselves() -> None:
    one, other = teacher_of(RECIPE, 1), teacher_of(RECIPE, 2)
    assert len({RECIPE.seed, one.seed, other.seed}) == 3
    assert one.distillation.teachers == 0
    assert one.optimiser.patience == RECIPE.distillation.patience
    assert one.network == RECIPE.network


def test_old_bug_7_nobody_sees_a_test_object(data: Objects, tmp_path: Path) -> None:
    network, _ = fit_fold(RECIPE, data, 0, tmp_path / "whole")
    test = set(splits.fold(data.ids, data.labels, splits.SEED, 0).test)
    changed = tuple(c[:1] if i in test else c for i, c in enumerate(data.curves))
    other = Objects(data.ids, data.labels, data.contexts, data.positions_deg, changed)
    again, _ = fit_fold(RECIPE, other, 0, tmp_path / "changed")
    for name, value in network.state_dict().items():
        assert value.equal(again.state_dict()[name]), name


def test_a_killed_fit_resumes_at_any_stage_and_ends_in_the_same_weights(data: Objects, tmp_path: Path) -> None:
    whole, spent = fit_fold(RECIPE, data, 2, tmp_path / "whole")
    for stop in ("teacher 2", "network"):

        def kill(name: str, row: dict[str, float], stop: str = stop) -> None:
            if name == stop and row["epoch"] == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fit_fold(RECIPE, data, 2, tmp_path / "killed", kill)
    resumed, _ = fit_fold(RECIPE, data, 2, tmp_path / "killed")
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name
    assert spent.seconds > 0


def test_without_teachers_there_is_one_network(data: Objects, tmp_path: Path) -> None:
    alone = RECIPE.model_copy(update={"distillation": Distillation(teachers=0)})
    stages: list[str] = []
    network, _ = fit_fold(alone, data, 0, tmp_path, lambda name, _: stages.append(name))
    assert set(stages) == {"network"}
    assert [folder.name for folder in tmp_path.iterdir()] == ["small-fold0"]
    taught, _ = fit_fold(RECIPE, data, 0, tmp_path / "taught")
    assert any(not value.equal(taught.state_dict()[name]) for name, value in network.state_dict().items())
