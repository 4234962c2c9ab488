import numpy as np
import pytest

from model.scores import weighted_log_loss
from model.taxonomy import CLASS_IDS
from training import metrics


def rows(*true: float) -> np.ndarray:
    """Probabilities: so much for column 0, the rest for column 1."""
    table = np.zeros((len(true), 14))
    table[:, 0], table[:, 1] = true, 1 - np.array(true)
    return table


def scores(p: np.ndarray, columns: np.ndarray) -> dict[str, float]:
    return {name: value[0] for name, value in metrics.scores(p, p, columns, metrics.once(columns)).items()}


def test_recall_f1_and_accuracy_by_hand() -> None:
    found = scores(rows(0.9, 0.8, 0.1, 0.2), np.array([0, 0, 0, 1]))
    assert found["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["accuracy"] == found["accuracy_natural"] == pytest.approx(3 / 4)


def test_the_loss_is_the_metric() -> None:
    rng = np.random.default_rng(0)
    p, columns = rng.dirichlet(np.ones(14), 300), rng.integers(0, 14, 300)
    assert scores(p, columns)["wll"] == pytest.approx(weighted_log_loss(p, np.array(CLASS_IDS)[columns]))


def test_honest_probabilities_have_no_calibration_error() -> None:
    columns = np.repeat([0, 1], [80, 20])
    assert scores(rows(*[0.8] * 100), columns)["ece"] == pytest.approx(0, abs=1e-9)
    assert scores(rows(*[0.99] * 100), columns)["ece"] == pytest.approx(0.19)


def test_certainty_is_a_bin_of_its_own_edge() -> None:
    assert scores(rows(1.0, 1.0), np.array([0, 1]))["ece"] == pytest.approx(0.5)


def test_weights_balance_the_classes() -> None:
    columns = np.repeat([0, 1, 3], [10, 2, 5])  # class 15 is column 1, of weight 2
    weights = metrics.balanced_weights(columns)
    assert [weights[columns == c].sum() for c in (0, 1, 3)] == pytest.approx([1, 2, 1])


def test_a_resample_keeps_the_classes_and_is_the_same_every_time() -> None:
    columns = np.repeat([0, 3, 7], [1, 20, 300])
    draws = metrics.resampled(columns)
    for c, size in ((0, 1), (3, 20), (7, 300)):
        assert (draws[:, columns == c].sum(axis=1) == size).all()
    assert (draws == metrics.resampled(columns)).all()


def test_the_bootstrap_finds_the_error_of_a_mean() -> None:
    hits = np.random.default_rng(1).random(2000) < 0.8
    columns = np.zeros(2000, dtype=int)
    found = metrics.scores(rows(*hits), rows(*hits), columns, metrics.resampled(columns))["accuracy"]
    assert found.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 2000), rel=0.2)


def test_scores_of_a_resample_are_those_of_its_objects() -> None:
    rng = np.random.default_rng(2)
    p, columns = rng.dirichlet(np.ones(14), 80), rng.integers(0, 4, 80)
    draws = metrics.resampled(columns, 3)
    drawn = np.repeat(np.arange(80), draws[1].astype(int))
    together = metrics.scores(p, p, columns, draws)
    for name, alone in scores(p[drawn], columns[drawn]).items():
        assert together[name][1] == pytest.approx(alone), name


def test_auroc_counts_pairs() -> None:
    values, positive = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])
    assert metrics.auroc(values, positive) == pytest.approx((1 + 0.5 + 2) / 4)
    assert metrics.auroc(np.zeros(4), positive) == 0.5


def test_the_roc_curve_rises_and_its_area_is_the_auroc() -> None:
    rng = np.random.default_rng(3)
    positive = np.arange(4000) < 1000
    values = rng.standard_normal(4000) + positive
    rates = np.linspace(0, 1, 201)
    curve = metrics.found_at(values, positive, rates)
    assert (np.diff(curve) >= 0).all()
    assert np.trapezoid(curve, rates) == pytest.approx(metrics.auroc(values, positive), abs=0.01)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_bins_of_the_reliability_figure_add_up_to_the_tables_calibration_error(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    p, columns = rng.dirichlet(np.full(14, 0.2), 400), rng.integers(0, 14, 400)
    weights = metrics.balanced_weights(columns) if weighted else np.ones(400)
    bins = metrics.binned(p, columns, weights)
    figure = (bins.weight * np.abs(bins.right - bins.sure)).sum()
    assert figure == pytest.approx(metrics.calibration_error(p, columns, weights[None])[0])
    assert figure == pytest.approx(scores(p, columns)["ece_balanced" if weighted else "ece"])
    assert bins.objects.sum() == 400


def test_a_bin_whose_objects_are_all_right_has_an_error_the_larger_the_fewer_they_are() -> None:
    few, many = (metrics.binned(rows(*[0.99] * n), np.zeros(n, int), np.ones(n)) for n in (2, 200))
    assert few.right == many.right == 1
    assert few.errors[1] == many.errors[1] == 0
    assert few.errors[0, 0] == pytest.approx(1 / 3)  # Wilson's interval of one sigma: 1 / (n + 1)
    assert many.errors[0, 0] == pytest.approx(1 / 201)


def test_a_bin_of_unequal_weights_counts_as_fewer_objects() -> None:
    p, columns = rows(*[0.9] * 10), np.array([0] * 7 + [1] * 3)
    equal, unequal = (metrics.binned(p, columns, w) for w in (np.ones(10), np.array([1.0] * 9 + [50])))
    assert unequal.errors.sum() > equal.errors.sum()
