from itertools import pairwise

import numpy as np
import pytest

from training.detection import detection_chance


def test_detections_are_as_frequent_as_in_plasticc_and_noise_is_one_now_and_then() -> None:
    measured = [0.0105, 0.090, 0.269, 0.502, 0.720, 0.861, 0.947]  # the training set at S/N 2 to 3, 3 to 4, ...
    chances = [detection_chance(np.linspace(*pair, 50)).mean() for pair in pairwise((2, 3, 4, 5, 6, 7, 8, 10))]
    assert chances == pytest.approx(measured, abs=0.035)
    assert detection_chance(np.array([1.5])) == pytest.approx([0.009], abs=0.001)
    assert (detection_chance(np.array([-9.0])) == detection_chance(np.array([9.0]))).all()
