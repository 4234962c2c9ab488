"""Published class frequencies in the place of an artefact's own."""

import numpy as np
import pytest

from model.rates import COUNTS, LSST, ZTF, factors, published
from model.taxonomy import CLASS_IDS

OWN = np.arange(1, 15) / np.arange(1, 15).sum()


def test_plasticcs_counts_are_those_of_its_whole_test_set():
    assert sum(LSST.values()) + 13_087 == 3_492_890
    assert set(LSST) == set(CLASS_IDS)


@pytest.mark.parametrize("survey", COUNTS)
def test_published_frequencies_sum_to_one_and_classes_that_are_not_counted_keep_theirs(survey):
    found = published(COUNTS[survey], OWN)
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()
    for i, number in enumerate(CLASS_IDS):
        if number not in COUNTS[survey]:
            assert found[i] == OWN[i]


def test_classes_that_are_counted_are_to_each_other_as_the_source_says():
    found = dict(zip(CLASS_IDS, published(ZTF, OWN).tolist(), strict=True))
    assert found[90] / found[42] == pytest.approx(5195 / 1136)
    assert found[95] / found[15] == pytest.approx(63 / 33)
    assert sum(found[c] for c in ZTF) == pytest.approx(sum(OWN[CLASS_IDS.index(c)] for c in ZTF))


def test_factors_turn_the_ones_into_the_others():
    for name, factor in factors(OWN).items():
        assert OWN * factor == pytest.approx(published(COUNTS[name.decode()], OWN))
