import numpy as np
import pytest

from broker.surveys.limits import DEPTH_SIGMA, depths_njy, limits
from broker.surveys.ztf import LIMIT_SIGMA
from model.observation import OBSERVATION


def rows_of(*observations):
    return np.array(list(observations), OBSERVATION)


def test_a_limit_is_no_flux_and_no_detection_of_a_survey_that_tells_limits():
    rows = rows_of((1.0, 0.0, 2.0, 1, False), (2.0, 0.1, 2.0, 1, False), (3.0, 0.0, 2.0, 1, True))
    assert limits("ztf", rows).tolist() == [True, False, False]
    assert limits("elasticc", rows).tolist() == [True, False, False]
    assert not limits("rubin", rows).any()
    assert limits("ztf", rows_of()).tolist() == []


def test_a_limit_of_ztf_is_as_deep_as_its_alert_says():
    assert DEPTH_SIGMA == LIMIT_SIGMA
    depth = 10 ** (0.4 * (31.4 - 20.5))
    rows = rows_of((1.0, 0.0, depth / LIMIT_SIGMA, 1, False))
    assert depths_njy(rows).tolist() == [pytest.approx(depth)]
