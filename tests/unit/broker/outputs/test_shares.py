"""What DESC's readers add up is exactly 1, in any order, and nothing is moved by more than rounding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker.outputs.shares import ELASTICC_IDS, shares
from model.taxonomy import CLASSES


def softmax(logits):
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float32))
    return powers / powers.sum(axis=1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 1.0, 5.0, 30.0, 200.0]))
def test_they_sum_to_exactly_1_in_any_order(seed, spread):
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(0, spread, (50, 14)).astype(np.float32))
    found = shares(probabilities)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert np.abs(found[:, :14] - probabilities).max() < 4e-7
    assert found[:, 14].max() < 2**-24
    for row in found.tolist():
        assert sum(row) == sum(reversed(row)) == sum(sorted(row)) == 1.0


def test_a_certain_class_has_all_and_a_uniform_one_its_share():
    certain = np.eye(14, dtype=np.float32)
    assert (shares(certain)[:, :14] == certain).all()
    (uniform,) = shares(np.full((1, 14), 1 / 14, np.float32)).tolist()
    assert sum(uniform) == 1.0


def test_classes_have_elasticcs_numbers():
    known = {"SN Ia": 2222, "kilonova": 2232, "AGN": 2332, "RR Lyrae": 2323, "SLSN-I": 2242}
    assert {c.name: number for c, number in zip(CLASSES, ELASTICC_IDS, strict=False) if c.name in known} == known
    assert ELASTICC_IDS[14] == 200
    assert len(set(ELASTICC_IDS)) == 15
