"""What is packed is what is unpacked, within the stated rounding; what was rounded once is not rounded again."""

import numpy as np
import pytest

from model.features import start_carry
from model.running import COUNT, N_BANDS
from model.state import pack, state_bytes, unpack


def states(rng: np.random.Generator, layers: int, hidden: int, size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Carries, and networks' states whose cells and sums are of all sizes."""
    carry = rng.normal(0, 1e6, start_carry(size).shape).astype(np.float32).astype(float)
    carry[:, COUNT : COUNT + N_BANDS] = rng.integers(0, 1000, (size, N_BANDS))
    scale = 10.0 ** rng.uniform(-8, 4, (size, 1))
    outputs, cells = rng.uniform(-1, 1, (size, layers * hidden)), rng.normal(0, 1, (size, layers * hidden)) * scale
    maxima, sums = rng.uniform(-1, 1, (size, hidden)), rng.normal(0, 1, (size, hidden)) / scale
    count = carry[:, COUNT : COUNT + N_BANDS].sum(axis=1, keepdims=True)
    return carry, np.concatenate([outputs, cells, maxima, sums, count], axis=1).astype(np.float32)


@pytest.mark.parametrize(("layers", "hidden"), [(1, 128), (2, 8), (3, 10)])
def test_what_comes_out_is_what_went_in(layers, hidden):
    carry, network = states(np.random.default_rng(0), layers, hidden)
    raised = np.arange(200) % 3 == 0
    packed = pack(carry, network, raised, layers, hidden)
    assert packed.shape == (200, state_bytes(layers, hidden))
    carry_again, again, raised_again = unpack(packed, layers, hidden)
    assert np.array_equal(carry, carry_again)
    assert np.array_equal(raised, raised_again)
    wide = layers * hidden
    parts = np.cumsum([wide, wide, hidden, hidden])
    for part, exact, shared in zip(np.split(np.arange(parts[-1]), parts[:-1]), (6e-8, 2e-7, 1e-6, 2e-7),
                                   (False, True, False, True), strict=True):  # fmt: skip
        size = np.abs(network[:, part]).max(axis=1, keepdims=True) if shared else 1
        assert (np.abs(again - network)[:, part] <= exact * size).all()
    assert np.array_equal(again[:, -1], network[:, -1])


def test_a_maximum_that_was_rounded_is_not_rounded_again():
    carry, network = states(np.random.default_rng(1), 1, 128)
    flags = np.zeros(200, bool)
    once = unpack(pack(carry, network, flags, 1, 128), 1, 128)[1]
    for _ in range(3):
        again = unpack(pack(carry, once, flags, 1, 128), 1, 128)[1]
        assert np.array_equal(again[:, 256:384], once[:, 256:384])


def test_cells_near_zero_are_kept_more_finely_than_one_that_has_counted_far():
    carry, network = states(np.random.default_rng(2), 1, 128)
    cells = np.arange(128, 256)
    network[:, cells] = np.random.default_rng(3).normal(0, 1, (200, 128))
    network[:, 200] = 300
    again = unpack(pack(carry, network, np.zeros(200, bool), 1, 128), 1, 128)[1]
    error = np.abs(again - network)
    assert error[:, cells[cells != 200]].max() <= 1e-7 * 300 / 16
    assert error[:, 200].max() <= 2e-7 * 300


def test_the_ends_of_the_ranges():
    carry, network = start_carry(3), np.zeros((3, 2 * 8 + 2 * 8 + 1), np.float32)
    network[0, :-1], network[1, :-1] = 1, -1
    again = unpack(pack(carry, network, np.ones(3, bool), 1, 8), 1, 8)[1]
    assert np.allclose(again, network, rtol=0, atol=1e-6)
    assert (again[2] == 0).all()
