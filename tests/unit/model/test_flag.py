"""The flag's memory, by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.flag import RELEASE, remember


def flags(scores, detected, raised=False, threshold=10.0):
    """The flags of one run, and whether the flag is raised after it."""
    found, before = np.array(scores), np.array([raised])
    seen = np.array(detected, bool)
    got = remember(found > threshold, found > RELEASE * threshold, seen, np.array([len(scores)]), before)
    return got.tolist(), bool(before[0])


def test_a_raised_flag_is_lowered_well_below_the_threshold_alone():
    assert flags([9.5, 10.1, 9.5, 9.2, 10.5, 8.9, 9.5], [1] * 7) == (
        [False, True, True, True, True, False, False],
        False,
    )


def test_an_object_near_the_threshold_is_not_flagged_and_unflagged_from_alert_to_alert():
    scores = 10 + 0.4 * (-1.0) ** np.arange(50)
    plain = scores > 10
    assert (np.diff(plain.astype(int)) != 0).all()
    assert flags(scores, [1] * 50)[0] == [True] * 50


def test_what_is_no_detection_is_flagged_but_not_remembered():
    assert flags([10.5, 9.5, 9.5], [0, 1, 1]) == ([True, False, False], False)
    assert flags([10.5, 8.0, 9.5], [1, 0, 1]) == ([True, False, True], True)


@given(st.lists(st.tuples(st.floats(7, 12), st.booleans()), max_size=30), st.integers(0, 30))
def test_law_2_a_run_that_is_cut_anywhere_is_flagged_as_the_whole(rows, cut):
    scores, detected = [r[0] for r in rows], [r[1] for r in rows]
    whole, ended = flags(scores, detected)
    first, between = flags(scores[:cut], detected[:cut])
    second, last = flags(scores[cut:], detected[cut:], between)
    assert first + second == whole
    assert last == ended


def test_runs_know_nothing_of_each_other():
    above, raised = np.array([True, False, False, True]), np.array([False, False, True])
    near = np.ones(4, bool)
    got = remember(above, near, np.ones(4, bool), np.array([2, 3, 4]), raised)
    assert got.tolist() == [True, True, False, True]
    assert raised.tolist() == [True, False, True]
