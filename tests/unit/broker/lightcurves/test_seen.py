"""A number is found among many where it is, and nowhere else, however they lie."""

import numpy as np
import pytest

from broker.lightcurves.seen import BITS, holds, index_of

LARGEST = 2**32 - 1
SAME_SHARE = [LARGEST - k for k in range(300)]  # as somebody might choose them


def found(numbers, wanted, *, start=0, end=None, asked=100):
    """Which numbers are among those in [start, end)."""
    numbers, firsts = np.array(numbers, np.uint32), np.full((1 << BITS) + 1, -7, np.int32)
    shift = index_of(numbers, start, len(numbers) if end is None else end, asked, firsts)
    return [one for one in wanted if holds(numbers, firsts, shift, np.uint32(one))]


@pytest.mark.parametrize("asked", [0, 1, 10, 100_000])
@pytest.mark.parametrize("size", [0, 1, 2, 5, 200, 40_000])
def test_what_is_there_is_found_and_nothing_else(size, asked):
    rng = np.random.default_rng(size)
    numbers = np.unique(rng.integers(0, LARGEST, size, dtype=np.uint32))
    others = rng.integers(0, LARGEST, 500, dtype=np.uint32)
    some = [0, LARGEST, *numbers[:500].tolist(), *others.tolist()]
    there = set(numbers.tolist())
    assert found(numbers, some, asked=asked) == [one for one in some if one in there]


def test_only_a_stretch_is_looked_at():
    numbers = [5, 2**31, LARGEST, 0, 7, 2**30, 1, 6]
    wanted = [0, 1, 5, 6, 7, 2**30, 2**31, LARGEST]
    assert found(numbers, wanted, start=3, end=6) == [0, 7, 2**30]
    assert found(numbers, wanted, start=3, end=3) == []


@pytest.mark.parametrize("numbers", [[0], [LARGEST], [0, LARGEST], SAME_SHARE[::-1], list(range(300))])
def test_the_ends_and_numbers_that_lie_close_are_found(numbers):
    wanted = [0, 1, 299, 300, LARGEST - 300, LARGEST - 299, LARGEST - 1, LARGEST]
    assert found(numbers, wanted) == [one for one in wanted if one in set(numbers)]
