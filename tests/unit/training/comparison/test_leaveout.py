from pathlib import Path

import numpy as np
import pytest
import torch

from model.taxonomy import GALACTIC_CLASSES
from tests.support.plasticc import objects
from training.comparison.leaveout import FALSE_ALARM_RATES, leave_out, loss_with_99, parts, shortened
from training.recipe import Network, Optimiser, Recipe, Sampling

RECIPE = Recipe(
    name="small",
    network=Network(hidden=8, layers=1, head=16, embedding=8),
    optimiser=Optimiser(epochs=2, batch_size=32, learning_rate=1e-2, average=0.5),
    sampling=Sampling(readouts=4),
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_class_is_in_the_test_part_alone() -> None:
    training, validation, test = parts(objects(per_class=12), 0, 95)
    assert 95 in test.labels
    for part in (training, validation):
        assert 95 not in part.labels
        assert {6, 15, 90} <= set(part.labels)
        assert not set(part.ids) & set(test.ids)


def test_a_class_left_out_is_told_from_those_of_its_group(tmp_path: Path) -> None:
    data = objects(per_class=10)
    found = leave_out(RECIPE, 95, data, 0, tmp_path)
    test = parts(data, 0, 95)[2]
    galactic = np.isin(test.labels, sorted(GALACTIC_CLASSES))
    assert found["objects"] == (test.labels == 95).sum()
    assert found["others"] == (~galactic).sum() - found["objects"]
    for key in ("anomaly_auroc", "anomaly_auroc_d30", "p99_auroc", "flagged", "alerts_found"):
        assert 0 <= found[key] <= 1
    assert len(found["anomaly_found"]) == len(found["p99_found"]) == len(FALSE_ALARM_RATES)
    assert found["epochs"] == 2


def test_the_loss_with_class_99_by_hand() -> None:
    known = np.full((3, 14), 0.02)
    known[range(3), range(3)] = 0.74
    p99 = np.array([0.1, 0.1, 0.5])
    labels = np.array([6, 15, 95])  # weights 1, 2, and 2 for the class left out
    losses = -np.log([0.74 * 0.9, 0.74 * 0.9, 0.5])
    assert loss_with_99(known, p99, labels, 95) == pytest.approx((losses * (1, 2, 2)).sum() / 5)


def test_old_bug_3_a_class_99_of_0_costs_as_much_as_the_metric_takes() -> None:
    known = np.full((2, 14), 1 / 14)
    assert loss_with_99(known, np.zeros(2), np.array([95, 95]), 95) > 34


def test_a_shortened_recipe_has_fewer_epochs_and_is_the_same_otherwise() -> None:
    short = shortened(RECIPE, 1)
    assert short.optimiser.epochs == 1
    assert short.model_copy(update={"optimiser": RECIPE.optimiser}) == RECIPE
    assert shortened(RECIPE, 99).optimiser == RECIPE.optimiser
