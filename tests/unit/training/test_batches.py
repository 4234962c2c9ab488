import numpy as np
import pytest

from model.features import encode, pad
from model.scores import class_columns
from model.taxonomy import METRIC_WEIGHTS
from tests.support.plasticc import objects
from training.batches import class_draws, cut, draw_readouts, epoch, plain
from training.examples import Example, plain_pool, show
from training.recipe import Optimiser, Recipe, Sampling

RECIPE = Recipe(name="small", optimiser=Optimiser(batch_size=8), sampling=Sampling(readouts=5))


def test_draws_times_weights_are_the_metric() -> None:
    labels = np.repeat(np.arange(14), np.arange(3, 31, 2))
    probability, weights, shift = class_draws(labels, Sampling(class_power=-0.5))
    assert not shift.any()
    assert probability.sum() == pytest.approx(1)
    pull = np.array([probability[labels == c].sum() * weights[c] for c in range(14)])
    assert pull / pull.sum() == pytest.approx(np.array(METRIC_WEIGHTS) / sum(METRIC_WEIGHTS))
    shares = [probability[labels == c].sum() for c in range(14)]
    assert shares[9] / shares[0] == pytest.approx(np.sqrt(21 / 3))


def test_an_epoch_is_the_same_for_the_same_seed_and_number() -> None:
    data = objects()
    first, again, other = ([b.inputs for b in epoch(data, plain_pool(data), RECIPE, n)] for n in (3, 3, 4))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not all(a.shape == b.shape and a.equal(b) for a, b in zip(first, other, strict=True))


def test_every_readout_is_within_its_curve_and_the_first_is_its_end() -> None:
    data = objects()
    for batch in epoch(data, plain_pool(data), RECIPE, 0):
        assert (batch.readout[:, 0] == batch.lengths - 1).all()
        assert (batch.readout >= 0).all()
        assert (batch.readout < batch.lengths[:, None]).all()
        assert batch.inputs.isfinite().all()
        assert batch.statistics.isfinite().all()


def test_readouts_of_curves_of_one_observation_and_without_detection() -> None:
    data = objects(per_class=1)
    one = data.curves[0][:1]
    never = data.curves[1].copy()
    never["detected"] = False
    observations, lengths = pad([one, never])
    readout = draw_readouts(observations, lengths, Sampling(), np.random.default_rng(0))
    assert (readout[0] == 0).all()
    assert ((readout >= 0) & (readout < lengths[:, None])).all()


def test_cuts_hold_only_what_was_known_then() -> None:
    curve = np.concatenate([objects(per_class=1).curves[0]] * 1)
    first = curve["mjd_tai"][2]  # the third is the first detection
    for days in (0.0, 10.0, 30.0):
        n = cut(curve, days=days)
        assert curve["mjd_tai"][n - 1] <= first + days
        assert n == len(curve) or curve["mjd_tai"][n] > first + days
    assert cut(curve) == len(curve)
    assert cut(curve, observations=4) == 4
    assert cut(curve, observations=999) == len(curve)


def test_law_1_plain_batches_are_what_encode_gives() -> None:
    data = objects(per_class=2)
    readout = np.array([[len(c) - 1] for c in data.curves])
    seen = []
    for rows, batch in plain(data, readout, size=5):
        for row, inputs in zip(rows, batch.inputs, strict=True):
            curve = data.curves[row]
            alone = encode(*pad([curve]), data.contexts[[row]])
            assert (inputs.numpy()[: len(curve)] == alone.inputs[0]).all()
            seen.append(int(row))
    assert sorted(seen) == list(range(len(data)))
    assert set(class_columns(data.labels)) == set(range(14))


def test_versions_are_drawn_as_often_as_the_recipe_says() -> None:
    data = objects(per_class=4)
    options = [Example(curve, data.contexts[0]) for curve in data.curves[:4]]
    rng = np.random.default_rng(0)
    drawn = [show(options, 0.3, rng) for _ in range(3000)]
    assert sum(one is options[0] for one in drawn) / 3000 == pytest.approx(0.7, abs=0.03)
    assert {id(one) for one in drawn} == {id(one) for one in options}
    assert show(options[:1], 1.0, rng) is options[0]


def test_the_adjusted_loss_has_the_weighted_ones_optimum() -> None:
    labels = np.repeat(np.arange(14), np.arange(3, 31, 2))
    probability, weights, shift = class_draws(labels, Sampling(class_power=-0.5, loss="adjusted"))
    weighted = class_draws(labels, Sampling(class_power=-0.5))
    assert probability == pytest.approx(weighted.probability)
    assert (weights == 1).all()
    # Where objects of all classes look the same, the shifted softmax becomes the shares of the draws; what is served,
    # without the shift, is then the metric's weights, as the weighted loss has it.
    shares = np.array([probability[labels == c].sum() for c in range(14)])
    served = np.exp(np.log(shares) - shift)
    assert served / served.sum() == pytest.approx(np.array(METRIC_WEIGHTS) / sum(METRIC_WEIGHTS), rel=1e-5)


def test_a_class_that_does_not_occur_is_pressed_down_by_the_adjusted_loss() -> None:
    labels = np.repeat(np.arange(13), 5)
    shift = class_draws(labels, Sampling(loss="adjusted")).shift
    assert np.isfinite(shift).all()
    assert shift[13] == pytest.approx(shift[2] - np.log(METRIC_WEIGHTS[13] / METRIC_WEIGHTS[2]))


def test_the_shift_goes_to_the_loss_and_not_to_what_is_read_out() -> None:
    data = objects(per_class=2)
    recipe = RECIPE.model_copy(update={"sampling": Sampling(readouts=5, loss="adjusted")})
    batch = next(epoch(data, plain_pool(data), recipe, 0))
    assert batch.shift.shape == (14,)
    assert batch.shift.abs().sum() > 0
    assert all(not b.shift.any() for _, b in plain(data, np.zeros((len(data), 1), dtype=np.int64)))
