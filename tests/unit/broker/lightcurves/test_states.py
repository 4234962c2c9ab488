"""Law 3: a state proves itself. Whatever else the store gives back for it is no state, and no error."""

import numpy as np
import pytest

from broker.lightcurves.hashes import salts
from broker.lightcurves.states import HEADER, Shelf

START = np.arange(13, dtype=np.uint8)
KEYS = [b"test/a", b"test/b", b"test/c"]
SALTS = salts(KEYS)
SHELF = Shelf(b"finger-1", b"store--1", START)


def made(tails=((1, 5, 9), (), (7,)), seed=1):
    rng = np.random.default_rng(seed)
    headers = np.frombuffer(rng.bytes(3 * HEADER.itemsize), HEADER).copy()
    bodies = rng.integers(0, 256, (3, len(START)), dtype=np.uint8)
    rows = np.array([one for tail in tails for one in tail], np.uint32)
    return headers, bodies, rows, np.cumsum([len(t) for t in tails])


def without_check(headers):
    zeroed = headers.copy()
    zeroed["check"] = 0
    return zeroed.tobytes()


def test_what_was_written_is_read_as_it_was():
    headers, bodies, tails, ends = made()
    states = SHELF.read(SHELF.write(headers, bodies, tails, ends, SALTS), SALTS)
    assert states.there.all()
    assert without_check(states.headers) == without_check(headers)
    assert np.array_equal(states.bodies, bodies)
    assert (states.tails.tolist(), states.tail_ends.tolist()) == ([1, 5, 9, 7], [3, 3, 4])


def test_where_there_is_none_it_is_the_start():
    raw = SHELF.write(*made(), SALTS)
    states = SHELF.read([raw[0], None, raw[2]], SALTS)
    assert states.there.tolist() == [True, False, True]
    assert states.headers[1:2].tobytes() == bytes(HEADER.itemsize)
    assert np.array_equal(states.bodies[1], START)


def test_a_flipped_bit_anywhere_is_no_state():
    for raw, salt in zip(SHELF.write(*made(), SALTS), SALTS, strict=True):
        flipped = [
            bytes(byte ^ (1 << bit % 8 if i == bit // 8 else 0) for i, byte in enumerate(raw))
            for bit in range(8 * len(raw))
        ]
        states = SHELF.read(flipped, np.full(len(flipped), salt))
        assert not states.there.any()
        assert (states.bodies == START).all()
        assert not states.headers.view(np.uint8).any()


def test_any_other_length_is_no_state():
    raw = SHELF.write(*made(), SALTS)[0]
    others = [raw[:size] for size in range(len(raw))] + [raw + bytes(size) for size in range(1, 20)]
    assert not SHELF.read(others, np.full(len(others), SALTS[0])).there.any()


def test_zeros_and_any_bytes_are_no_state():
    rng = np.random.default_rng(2)
    strange = [bytes(SHELF.size), b"", *(rng.bytes(SHELF.size + 4 * i) for i in range(100))]
    assert not SHELF.read(strange, np.full(len(strange), SALTS[0])).there.any()


@pytest.mark.parametrize(
    "shelf",
    [
        Shelf(b"finger-2", b"store--1", START),
        Shelf(b"finger-1", b"store--2", START),
        Shelf(b"finger-1", b"store--1", np.zeros(24, np.uint8)),
    ],
    ids=["another classifier", "another store", "a longer state"],
)
def test_what_another_shelf_wrote_is_no_state(shelf):
    assert not shelf.read(SHELF.write(*made(), SALTS), SALTS).there.any()


def test_another_objects_state_is_no_state():
    raw = SHELF.write(*made(), SALTS)
    assert not SHELF.read([raw[1], raw[2], raw[0]], SALTS).there.any()


def test_the_neighbours_of_what_does_not_fit_keep_their_rows():
    raw = SHELF.write(*made(), SALTS)
    damaged = bytes([raw[0][0] ^ 1]) + raw[0][1:]
    states = SHELF.read([damaged, raw[1], raw[2]], SALTS)
    assert states.there.tolist() == [False, True, True]
    start = states.tail_ends[1]
    assert states.tails[start : states.tail_ends[2]].tolist() == [7]


def test_no_objects_have_no_states():
    states = SHELF.read([], SALTS[:0])
    assert (len(states.headers), len(states.bodies), len(states.there)) == (0, 0, 0)
