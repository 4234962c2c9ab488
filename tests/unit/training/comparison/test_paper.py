from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from model.scores import class_columns, weighted_log_loss
from tests.support.plasticc import objects
from training.comparison import paper
from training.comparison.paper import NAMES, PaperNetwork, PaperRecipe, encode, published_p99, train
from training.evaluate import CUTS
from training.recipe import RecipeError

TINY = {
    "epochs": 4, "patience": 9, "batch_size": 40, "hidden": 6, "layers": 2, "head": (12, 8), "head_dropout": (0.2, 0.0),
}  # fmt: skip


def recipe(name: str = "paper", **changes: object) -> PaperRecipe:
    return PaperRecipe.model_validate(paper.load(name).model_dump() | TINY | changes)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_reports_sizes() -> None:
    network = PaperNetwork(paper.load("paper"))
    assert (network.lstm.input_size, network.lstm.hidden_size, network.lstm.num_layers) == (8, 100, 2)
    assert network.lstm.dropout == 0.1
    linear = [(m.in_features, m.out_features) for m in network.head if isinstance(m, nn.Linear)]
    assert linear == [(131, 512), (512, 256), (256, 128), (128, 64), (64, 14)]
    assert [m.p for m in network.head if isinstance(m, nn.Dropout)] == [0.25, 0.0, 0.0, 0.5]
    assert [type(m) for m in network.head[:4]] == [nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout]


def test_the_reports_settings() -> None:
    mended, published = (paper.load(name) for name in NAMES)
    assert (mended.learning_rate, mended.batch_size, mended.softmax_inside) == (0.01, 1024, False)
    assert published.softmax_inside
    same = {"name", "softmax_inside"}
    assert mended.model_dump(exclude=same) == published.model_dump(exclude=same)


def test_padding_and_companions_change_nothing_and_it_is_what_packed_sequences_give() -> None:
    data = objects(per_class=2)
    network = PaperNetwork(recipe()).eval()
    inputs, lengths, statistics = paper.batch_of(encode(data), np.arange(len(data)))
    together = network(inputs, lengths, statistics)
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    last = network.lstm(packed)[1][0][-1]
    known = torch.nan_to_num((statistics - network.mean) / network.scale)
    assert together.allclose(network.head(torch.cat([network.norm(last), known], dim=1)), atol=1e-5)
    alone = paper.batch_of(encode(data), np.array([3]))
    assert network(*alone)[0].allclose(together[3], atol=1e-5)


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    data = objects()
    network, progress = train(recipe(epochs=10), data, objects(per_class=3, seed=1), tmp_path)
    losses = [row["full"] for row in progress.history]
    assert progress.best_score == min(losses) < losses[0]
    assert progress.best_epoch == 1 + int(np.argmin(losses))
    assert (tmp_path / "log.csv").read_text().startswith("epoch,loss,full,accuracy,seconds\n")
    assert not network.training


def test_a_killed_run_resumes_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    data = objects(per_class=4)
    whole, _ = train(recipe(), data, data, tmp_path / "whole")

    def kill(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(), data, data, tmp_path / "killed", kill)
    resumed, progress = train(recipe(), data, data, tmp_path / "killed")
    assert [row["epoch"] for row in progress.history] == [1, 2, 3, 4]
    for name, value in whole.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name


def test_a_run_of_another_recipe_is_not_continued(tmp_path: Path) -> None:
    data = objects(per_class=2)
    train(recipe(epochs=1), data, data, tmp_path)
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(epochs=1, seed=7), data, data, tmp_path)


def test_probabilities_at_every_cut_sum_to_1_with_both_priors(tmp_path: Path) -> None:
    data = objects(per_class=3)
    network, _ = train(recipe(epochs=1), data, data, tmp_path)
    for found in paper.predict(network, data.labels, data):
        assert found.shape == (len(data), len(CUTS), 14)
        assert found.sum(axis=2) == pytest.approx(np.ones(found.shape[:2]), abs=1e-5)


def test_law_9_a_cut_curve_is_encoded_from_what_was_known_then() -> None:
    data = objects(per_class=1)
    short = data.curves[0][:4]
    cut = encode(data, np.full(len(data), 4))
    assert cut.inputs[0].shape == (4, 8)
    assert cut.statistics[0, 0] == len(short)


def test_an_unknown_context_is_the_training_parts_mean(tmp_path: Path) -> None:
    data = objects(per_class=2)
    network, _ = train(recipe(epochs=1), data, data, tmp_path)
    data.contexts["host_photoz"] = np.nan
    assert paper.classify(network, encode(data)).isfinite().all()


def test_old_bug_1_softmax_inside_and_cross_entropy_on_top_is_worse_and_only_on_purpose(tmp_path: Path) -> None:
    data, other = objects(), objects(per_class=3, seed=1)
    losses = {}
    for name in NAMES:
        network, _ = train(recipe(name, epochs=12), data, other, tmp_path / name)
        losses[name] = weighted_log_loss(paper.classify(network, encode(other)).numpy(), other.labels)
    assert losses["paper"] < losses["paper-as-published"]


def test_old_bug_3_the_published_class_99_is_0_where_one_class_is_certain() -> None:
    certain = torch.zeros(1, 14)
    certain[0, 3] = 1
    assert published_p99(certain).item() == 0
    assert published_p99(torch.full((1, 14), 1 / 14)).item() == pytest.approx((13 / 14) ** 14)


def test_old_bug_4_the_scaler_is_kept_with_the_weights(tmp_path: Path) -> None:
    data = objects(per_class=3)
    network, _ = train(recipe(epochs=1), data, data, tmp_path)
    shifted = encode(data.take(np.arange(5)))
    before = paper.classify(network, shifted)
    fresh = PaperNetwork(recipe(epochs=1))
    fresh.load_state_dict(network.state_dict())
    assert paper.classify(fresh, shifted).equal(before)
    assert network.mean.allclose(encode(data).statistics.mean(dim=0), rtol=1e-4)


def test_old_bug_5_predictions_are_in_the_objects_order_and_in_evaluation_mode(tmp_path: Path) -> None:
    data = objects(per_class=3)
    network, _ = train(recipe(epochs=1), data, data, tmp_path)
    together = paper.classify(network.train(), encode(data))
    assert together.equal(paper.classify(network, encode(data))), "dropout or batch norm were left in training mode"
    order = np.random.default_rng(0).permutation(len(data))
    assert paper.classify(network, encode(data.take(order))).allclose(together[order], atol=1e-5)
    assert set(class_columns(data.labels)) == set(range(14))
