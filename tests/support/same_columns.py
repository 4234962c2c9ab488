"""Whether two ways to columns give the same."""

import numpy as np


def assert_same(one, other, *, which: bool = True) -> None:
    """Two Columns are equal, value for value and type for type; which bodies they are of, unless told otherwise."""
    if which:
        np.testing.assert_array_equal(one.which, other.which)
    assert_same_values(one, other)
    assert list(one.tables) == list(other.tables)
    for name, rows in one.tables.items():
        np.testing.assert_array_equal(rows.ends, other.tables[name].ends, err_msg=name)
        assert_same_values(rows, other.tables[name])


def assert_same_values(one, other) -> None:
    for ours, theirs in ((one.values, other.values), (one.missing, other.missing)):
        assert list(ours) == list(theirs)
        for name, column in ours.items():
            assert column.dtype == theirs[name].dtype, name
            np.testing.assert_array_equal(column, theirs[name], err_msg=name)
    assert list(one.told) == list(other.told)
    for name, told in one.told.items():
        for row in range(min(10, len(one.values[name]))):
            assert as_bytes(told(row)) == as_bytes(other.told[name](row)), name


def as_bytes(text):
    return text.encode() if isinstance(text, str) else text
