import math
import random

import numpy as np
import pytest

from broker.web.tallies import EDGES_S, Distinct, Latencies


def test_quantiles_are_those_of_all_values_to_a_bin():
    values = np.random.default_rng(1).lognormal(0, 2, 5_000)
    made = Latencies()
    for value in values.tolist():
        made.add(value)
    for share in (0.5, 0.95, 0.99):
        assert made.quantile_s(share) == pytest.approx(np.quantile(values, share), rel=0.03)
    assert math.isnan(Latencies().quantile_s(0.5))


def test_what_is_longer_than_any_bin_is_as_long_as_the_last():
    made = Latencies()
    made.add(1e9)
    assert made.quantile_s(0.5) == EDGES_S[-1]


def test_names_are_counted_once_each_however_many_are_in_hand():
    names = [("ztf", str(i % 700)) for i in range(5_000)] + [("rubin", str(i)) for i in range(300)]
    random.Random(1).shuffle(names)
    made = Distinct(at_once=64)
    for name in names:
        made.add(*name)
    assert made.count() == 1_000
    assert len(made._new) == 0


def test_parts_are_not_run_together():
    made = Distinct()
    made.add("a", "bc")
    made.add("ab", "c")
    assert made.count() == 2
