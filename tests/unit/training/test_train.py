from pathlib import Path

import pytest
import torch

from model.network import LightCurveLSTM, NetworkConfig
from model.scores import class_columns, weighted_log_loss
from tests.support.plasticc import objects
from training.calibrate import calibrate
from training.recipe import Augmentation, Network, Optimiser, Recipe, RecipeError, Redshift, Sampling, Views
from training.train import best_temperature, cuts, read_out, schedule, set_scaler, train

RECIPE = Recipe(
    name="small",
    network=Network(hidden=8, layers=2, head=16, embedding=8),
    optimiser=Optimiser(epochs=4, batch_size=16, learning_rate=5e-3, warmup_epochs=0.5, average=0.5),
    sampling=Sampling(readouts=4),
    augmentation=Augmentation(thin_share=0.2),
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    recipe = RECIPE.model_copy(update={"optimiser": RECIPE.optimiser.model_copy(update={"epochs": 12})})
    network, progress = train(recipe, objects(seed=0), objects(per_class=3, seed=1), tmp_path, rows.append)
    assert rows[-1]["full"] < rows[0]["full"]
    assert progress.best_score == min(row["mean"] for row in rows)
    assert progress.best_epoch == 1 + min(range(12), key=lambda i: rows[i]["mean"])
    assert (tmp_path / "log.csv").read_text().count("\n") == 13
    assert not network.training


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    data = objects()
    one, _ = train(RECIPE, data, data, tmp_path / "a")
    other, _ = train(RECIPE, data, data, tmp_path / "b")
    for name, value in one.state_dict().items():
        assert value.equal(other.state_dict()[name]), name


def test_a_killed_run_resumes_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    data = objects()
    whole, _ = train(RECIPE, data, data, tmp_path / "whole")

    def kill(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, data, data, tmp_path / "killed", kill)
    resumed, progress = train(RECIPE, data, data, tmp_path / "killed")
    assert [row["epoch"] for row in progress.history] == [1, 2, 3, 4]
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name


def test_a_run_that_no_longer_improves_stops(tmp_path: Path) -> None:
    hopeless = RECIPE.optimiser.model_copy(
        update={"epochs": 9, "patience": 2, "learning_rate": 0.0, "weight_decay": 0.0}
    )
    data = objects(per_class=2)
    _, progress = train(RECIPE.model_copy(update={"optimiser": hopeless}), data, data, tmp_path)
    assert (progress.best_epoch, progress.epoch) == (1, 3)


def test_a_run_of_another_recipe_is_not_continued(tmp_path: Path) -> None:
    data = objects(per_class=1)
    train(RECIPE, data, data, tmp_path)
    with pytest.raises(RecipeError, match="another recipe"):
        train(RECIPE.model_copy(update={"seed": 1}), data, data, tmp_path)


def test_a_constant_column_is_not_divided_by_zero(tmp_path: Path) -> None:
    network = LightCurveLSTM(NetworkConfig(hidden=4, layers=1, head=8, embedding=4))
    set_scaler(network, objects(per_class=1))
    for name in ("input_scale", "statistic_scale"):
        assert (getattr(network, name) > 0).all()
        assert getattr(network, name).isfinite().all()


def test_old_bug_5_reading_out_keeps_the_order_of_objects(tmp_path: Path) -> None:
    data = objects(per_class=3)
    network, _ = train(RECIPE, data, data, tmp_path)
    together, _ = read_out(network, data, cuts(data))
    for i in range(len(data)):
        alone = data.take(torch.tensor([i]).numpy())
        assert torch.allclose(read_out(network, alone, cuts(alone))[0][0], together[i], atol=1e-5)


def test_old_bug_1_a_guess_is_no_worse_than_uniform() -> None:
    torch.manual_seed(0)
    data = objects(per_class=4)
    network = LightCurveLSTM(NetworkConfig(hidden=8, layers=1, head=8, embedding=4))
    set_scaler(network, data)
    logits, _ = read_out(network, data, cuts(data))
    assert weighted_log_loss(logits[:, 0].softmax(dim=1).numpy(), data.labels) < 2.8


def test_the_schedule_rises_then_falls() -> None:
    rates = [schedule(e / 10, 1.0, 50) for e in range(500)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates.index(max(rates)) in range(9, 12)
    assert rates[-1] < 0.02
    assert rates[0] > 0


def test_an_epoch_is_judged_after_its_best_temperature() -> None:
    torch.manual_seed(0)
    data = objects(per_class=20)
    columns = torch.from_numpy(class_columns(data.labels))
    logits = torch.randn(len(data), 4, 14) + 2 * torch.nn.functional.one_hot(columns, 14)[:, None]
    assert best_temperature(3 * logits, data.labels) == pytest.approx(
        3 * best_temperature(logits, data.labels), rel=1e-3
    )


def test_views_are_trained_on_validated_and_calibrated_by(tmp_path: Path) -> None:
    data = objects(per_class=4)
    recipe = RECIPE.model_copy(update={"views": Views(rubin=0.3, ztf=0.3, ztf_versions=1)})
    network, progress = train(recipe, data, data, tmp_path)
    row = progress.history[-1]
    views = ["plasticc", "rubin", "ztf", "ztf-matched"]
    assert row["mean"] == pytest.approx(sum(row[name] for name in views) / len(views))
    assert row["plasticc"] == pytest.approx(sum(row[cut] for cut in ("full", "d10", "d30", "d60")) / 4)
    alone = calibrate(network, "alone", data, data)
    both = calibrate(network, "both", data, data, recipe)
    assert both.temperature != alone.temperature
    assert not both.anomaly.thresholds.equal(alone.anomaly.thresholds)
    still = recipe.model_copy(update={"redshift": Redshift(share=0.0)})
    unmoved = calibrate(network, "unmoved", data, data, still).anomaly
    assert not both.anomaly.prototypes.equal(unmoved.prototypes)  # objects moved nearer and farther are known too
