"""An entry proves itself: what is damaged or another object's is left out, and the rest is read."""

import numpy as np
import pytest

from broker.lightcurves.entries import (
    DETECTED,
    ENTRY,
    HISTORY,
    LAYOUT_BITS,
    checks,
    cut,
    cut_all,
    entries_of,
    observations,
    parse,
    source_of,
)
from broker.lightcurves.hashes import salts
from tests.support.curves import curve

SALT, OTHER = salts([b"test/object", b"test/other"])
ROWS = curve(20)


def made(rows=ROWS, salt=SALT):
    n = len(rows)
    return entries_of(
        rows,
        alert_ids=np.arange(1, n + 1),
        offsets=np.arange(n) + (1 << 40),
        sources=np.full(n, source_of("alerts", 3), np.uint32),
        history=np.arange(n) % 3 == 0,
        salts=np.full(n, salt, np.uint64),
    )


def test_what_was_made_is_read_as_it_was():
    entries, good = parse(cut_all(made()), int(SALT))
    assert good.all()
    assert np.array_equal(observations(entries), ROWS)
    assert entries["alert_id"].tolist() == list(range(1, 21))
    assert entries["offset"].tolist() == [(1 << 40) + i for i in range(20)]
    assert ((entries["flags"] & HISTORY) != 0).tolist() == [i % 3 == 0 for i in range(20)]
    assert ((entries["flags"] & DETECTED) != 0).tolist() == ROWS["detected"].tolist()
    assert set(entries["source"].tolist()) == {source_of("alerts", 3)}


def test_the_same_observation_by_the_same_message_is_the_same_bytes():
    assert cut_all(made()) == cut_all(made())


def test_a_partition_has_a_mark_of_its_own():
    places = [(topic, partition) for topic in ("alerts", "alerts2") for partition in range(50)]
    assert len({source_of(*place) for place in places}) == 100


def test_a_flipped_bit_anywhere_leaves_out_that_entry():
    (one,) = cut_all(made(ROWS[:1]))
    flipped = [
        bytes(byte ^ (1 << bit % 8 if i == bit // 8 else 0) for i, byte in enumerate(one))
        for bit in range(8 * len(one))
    ]
    entries, good = parse([*flipped, one], int(SALT))
    assert good.tolist() == [False] * len(flipped) + [True]
    assert np.array_equal(observations(entries[good]), ROWS[:1])


def test_another_objects_entries_are_left_out():
    _, good = parse([*cut_all(made()), *cut_all(made(salt=OTHER))], int(SALT))
    assert good.tolist() == [True] * 20 + [False] * 20


@pytest.mark.parametrize("size", [0, 1, ENTRY.itemsize - 1, ENTRY.itemsize + 1, 1000])
def test_bytes_of_any_length_are_left_out(size):
    _, good = parse([bytes(size), *cut_all(made())], int(SALT))
    assert good.tolist() == [False] + [True] * 20


def test_zeros_are_no_entry():
    assert not parse([bytes(ENTRY.itemsize)], int(SALT))[1].any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mjd_tai", np.nan),
        ("mjd_tai", np.inf),
        ("flux_njy", -np.inf),
        ("flux_err_njy", 0.0),
        ("flux_err_njy", -1.0),
        ("flux_err_njy", np.nan),
        ("flags", 0b00100110),  # no such band
        ("flags", 0b01000001),  # another layout
    ],
)
def test_a_value_that_cannot_be_is_left_out_though_the_checksum_is_right(name, value):
    entries = made()
    entries[name][7] = value
    entries["check"] = checks(entries, np.full(20, SALT, np.uint64))
    assert parse(cut_all(entries), int(SALT))[1].tolist() == [i != 7 for i in range(20)]
    assert LAYOUT_BITS == 0b11100000


def test_no_entries_are_an_empty_log():
    entries, good = parse([], int(SALT))
    assert (len(entries), len(good), cut_all(made(ROWS[:0]))) == (0, 0, [])


@pytest.mark.parametrize("counts", [[20], [1] * 20, [3, 0, 16, 1], [2, 0] + [1] * 18])
def test_entries_are_cut_into_the_lists_that_objects_get(counts):
    found = cut(made(), np.array(counts))
    assert [len(one) for one in found] == counts
    assert [one for some in found for one in some] == cut_all(made())
