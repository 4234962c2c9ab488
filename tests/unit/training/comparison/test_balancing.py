import numpy as np

from model.taxonomy import CLASS_IDS
from tests.support.plasticc import objects
from training import splits
from training.comparison.balancing import balance, before_and_after, counts

LABELS = np.repeat([90, 42, 53, 6], [100, 30, 3, 7])


def test_every_class_becomes_the_mean_class_size() -> None:
    rows = balance(LABELS, np.random.default_rng(0))
    assert {c: n for c, n in counts(LABELS[rows]).items() if n} == dict.fromkeys((90, 42, 53, 6), 35)


def test_a_big_class_keeps_different_objects_and_a_small_one_all_of_them() -> None:
    rows = balance(LABELS, np.random.default_rng(0))
    assert len(set(rows[LABELS[rows] == 90])) == 35
    small = rows[LABELS[rows] == 53]
    assert sorted(np.unique(small, return_counts=True)[1]) == [11, 12, 12]


def test_the_counts_before_and_after_are_of_all_14_classes() -> None:
    table = before_and_after(LABELS, balance(LABELS, np.random.default_rng(0)))
    assert len(table) == len(CLASS_IDS)
    assert ("90 SN Ia", 100, 35) in table
    assert ("53 Mira", 3, 35) in table
    assert ("15 TDE", 0, 0) in table


def test_old_bug_7_copies_made_by_balancing_stay_in_the_training_part() -> None:
    data = objects(per_class=12)
    data = data.take(np.flatnonzero((data.labels != 53) | (np.arange(len(data)) % 3 == 0)))  # one class is small
    split = splits.fold(data.ids, data.labels, splits.SEED, 0)
    training = data.take(split.train)
    balanced = training.take(balance(training.labels, np.random.default_rng(0)))
    others = {*data.take(split.validation).ids, *data.take(split.test).ids}
    assert len(balanced) > len(set(balanced.ids))
    assert not set(balanced.ids) & others
