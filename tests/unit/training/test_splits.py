from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.splits import FOLDS, SEED, fold, sample

GOLDEN = Path(__file__).parents[2] / "golden" / "plasticc_classes.parquet"


@pytest.fixture(scope="module")
def plasticc() -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_parquet(GOLDEN)
    return table["object_id"].to_numpy(), table["target"].to_numpy()


def test_the_parts_share_no_object_and_leave_none_out(plasticc) -> None:
    for k in range(FOLDS):
        whole = np.concatenate(fold(*plasticc, SEED, k))
        assert sorted(whole) == list(range(len(plasticc[0])))


def test_every_object_is_tested_once(plasticc) -> None:
    tested = np.concatenate([fold(*plasticc, SEED, k).test for k in range(FOLDS)])
    assert sorted(tested) == list(range(len(plasticc[0])))


def test_every_class_is_in_every_part_in_proportion(plasticc) -> None:
    ids, labels = plasticc
    for part, share in zip(fold(ids, labels, SEED, 0), (0.7, 0.1, 0.2), strict=True):
        for label in np.unique(labels):
            there = (labels[part] == label).sum()
            assert abs(there - share * (labels == label).sum()) <= 2


def test_the_order_of_rows_changes_nothing(plasticc) -> None:
    ids, labels = plasticc
    order = np.random.default_rng(0).permutation(len(ids))
    shuffled = fold(ids[order], labels[order], SEED, 2)
    for part, other in zip(fold(ids, labels, SEED, 2), shuffled, strict=True):
        assert set(ids[part]) == set(ids[order][other])


def test_the_published_split_never_changes(plasticc) -> None:
    ids, labels = plasticc
    tested = " ".join(str(i) for i in sorted(ids[fold(ids, labels, SEED, 0).test]))
    assert sha256(tested.encode()).hexdigest() == "341ab7f36e914886d1353231fdcb0db0e8ebc448f1a70d0cdf6d60df56c02207"


def test_old_bug_7_a_copy_on_both_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        fold(np.array([1, 2, 2, 3]), np.array([90, 90, 90, 90]), 0, 0)


def test_there_is_no_sixth_fold() -> None:
    with pytest.raises(ValueError, match="folds 0 to 4"):
        fold(np.arange(9), np.full(9, 90), 0, 5)


def test_a_sample_has_every_class(plasticc) -> None:
    ids, labels = plasticc
    rows = sample(ids, labels, 0, 400)
    assert set(labels[rows]) == set(labels)
    assert abs(len(rows) - 400) < 14
