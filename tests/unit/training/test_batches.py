import numpy as np
import pytest

from model.features import encode, pad
from model.scores import class_columns
from model.taxonomy import METRIC_WEIGHTS
from tests.support.plasticc import objects
from training.batches import class_draws, cut, draw_readouts, epoch, plain, target
from training.examples import Example, plain_pool
from training.recipe import Distillation, Optimiser, Recipe, Sampling

RECIPE = Recipe(name="small", optimiser=Optimiser(batch_size=8), sampling=Sampling(readouts=5))


def test_draws_times_weights_are_the_metric() -> None:
    labels = np.repeat(np.arange(14), np.arange(3, 31, 2))
    probability, weights = class_draws(labels, -0.5)
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


def test_a_target_mixes_the_class_with_what_the_teacher_said_at_the_time() -> None:
    data = objects(per_class=1)
    curve = data.curves[0]
    soft = np.full((len(curve), 14), 1 / 14, dtype=np.float16)
    soft[2] = np.eye(14)[5]
    example = Example(curve, data.contexts[0], soft)
    mixed = target(example, 3, curve["mjd_tai"][[2, 4]], 0.5)
    assert mixed.sum(axis=1) == pytest.approx([1, 1], abs=1e-3)
    assert mixed[0, [3, 5]].tolist() == [0.5, 0.5]
    assert mixed[1, 3] == pytest.approx(0.5 + 0.5 / 14, abs=1e-3)
    assert target(example._replace(soft=None), 3, curve["mjd_tai"][[2]], 0.5)[0].tolist() == np.eye(14)[3].tolist()


def test_a_thinned_curve_keeps_its_teachers_labels_in_time() -> None:
    data = objects(per_class=2)
    pool = [
        Example(curve, context, (np.arange(len(curve))[:, None] == np.arange(14)).astype(np.float16))
        for curve, context in zip(data.curves, data.contexts, strict=True)
    ]
    recipe = RECIPE.model_copy(update={"distillation": Distillation(weight=1.0)})
    for batch in epoch(data, pool, recipe, 0):
        assert (batch.targets.sum(dim=2) == 1).all()
        last = batch.targets[:, 0].argmax(dim=1)
        assert (last >= batch.lengths - 1).all()  # the last of what is left is no earlier in the whole curve
