import numpy as np
import pytest

from training import metrics


def rows(*true: float) -> np.ndarray:
    """Probabilities: so much for column 0, the rest for column 1."""
    table = np.zeros((len(true), 14))
    table[:, 0], table[:, 1] = true, 1 - np.array(true)
    return table


def test_macro_recall_and_f1() -> None:
    columns = np.array([0, 0, 0, 1])
    p = rows(0.9, 0.8, 0.1, 0.2)
    assert metrics.recalls(p, columns) == pytest.approx({0: 2 / 3, 1: 1.0})
    assert metrics.macro_recall(p, columns) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.macro_f1(p, columns) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_honest_probabilities_have_no_calibration_error() -> None:
    columns = np.repeat([0, 1], [80, 20])
    assert metrics.calibration_error(rows(*[0.8] * 100), columns) == pytest.approx(0, abs=1e-9)
    assert metrics.calibration_error(rows(*[0.99] * 100), columns) == pytest.approx(0.19)


def test_certainty_is_a_bin_of_its_own_edge() -> None:
    assert metrics.calibration_error(rows(1.0, 1.0), np.array([0, 1])) == pytest.approx(0.5)


def test_weights_balance_the_classes() -> None:
    columns = np.repeat([0, 1, 3], [10, 2, 5])  # class 15 is column 1, of weight 2
    weights = metrics.balanced_weights(columns)
    assert [weights[columns == c].sum() for c in (0, 1, 3)] == pytest.approx([1, 2, 1])


def test_bootstrap_finds_the_error_of_a_mean() -> None:
    values = np.random.default_rng(1).standard_normal(2000)
    columns = np.zeros(2000, dtype=int)
    found = metrics.bootstrap(lambda r: {"mean": float(values[r].mean())}, columns)
    assert found["mean"] == pytest.approx(1 / np.sqrt(2000), rel=0.2)
    assert found == metrics.bootstrap(lambda r: {"mean": float(values[r].mean())}, columns), "the same every time"
