import numpy as np
import pytest

from model.scores import accuracy, class_columns, weighted_log_loss
from model.taxonomy import CLASS_IDS


def test_uniform_probabilities_lose_ln_14():
    assert weighted_log_loss(np.full((14, 14), 1.0), np.array(CLASS_IDS)) == pytest.approx(np.log(14))


def test_a_class_counts_by_its_weight_not_by_its_objects():
    rows = np.full((3, 14), 0.5 / 13)
    rows[:2, 0] = 0.5  # two of class 6
    rows[2] = 0.75 / 13
    rows[2, 1] = 0.25  # one of class 15, of weight 2
    expected = (-np.log(0.5) - 2 * np.log(0.25)) / 3
    assert weighted_log_loss(rows, np.array([6, 6, 15])) == pytest.approx(expected)


def test_a_certain_error_costs_much_and_no_infinity():
    rows = np.eye(14)[[1]]
    assert weighted_log_loss(rows, np.array([6])) == pytest.approx(-np.log(1e-15))
    assert accuracy(rows, np.array([6])) == 0
    assert accuracy(rows, np.array([15])) == 1


@pytest.mark.parametrize("classes", [[], [7], [99], [6, 96]])
def test_unknown_classes_and_no_objects_are_refused(classes):
    with pytest.raises(ValueError, match="one of the 14"):
        class_columns(np.array(classes, np.int64))
