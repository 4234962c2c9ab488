from itertools import pairwise

import numpy as np
import pytest

from training.detection import detection_chance


def test_detections_are_as_frequent_as_in_plasticc() -> None:
    # S/N 1 to 2, 2 to 3, 3 to 4, 4 to 5, 5 to 6, 6 to 7, 7 to 8, 8 to 10: what the training set has
    edges = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10])
    measured = [0.0005, 0.0105, 0.090, 0.269, 0.502, 0.720, 0.861, 0.947]
    chances = [detection_chance(np.linspace(*pair, 50)).mean() for pair in pairwise(edges)]
    assert chances == pytest.approx(measured, abs=0.05)
    assert chances[:2] == pytest.approx(measured[:2], abs=0.01)


def test_noise_is_no_detection() -> None:
    assert detection_chance(np.array([0.0, 0.5, -0.5])).max() < 1e-9
    assert detection_chance(np.array([1.0, -1.5])).max() < 1e-3
    assert (detection_chance(np.array([-9.0])) == detection_chance(np.array([9.0]))).all()
