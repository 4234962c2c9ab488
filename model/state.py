"""A classifier's state as bytes: the features' carry, then the network's own state, in a fixed layout.

    wide      41 x 8 bytes   sums that cancel, and times: float64
    narrow    41 x 4 bytes   counts, extremes and latest values, which `running` has rounded to float32 already
    scales     2 x 4 bytes   the largest cell and the largest sum
    hidden     H x 3 bytes   the LSTM's output, within (-1, 1)
    cells      H x 3 bytes   a share of the largest, or of a sixteenth of it
    sums       H x 3 bytes   likewise: of all outputs so far
    maxima     H x 5/2 bytes of all outputs so far, within (-1, 1)
    small      H / 8 bytes   a bit a cell: whether it is a share of the sixteenth
    raised     1 byte        whether the anomaly flag was raised at the last detection

Numbers of 3 bytes are exact to 6e-8 of the largest, as float32 is. Among the cells one may count to hundreds, while the
network looks closely at those near 0: they are kept more finely. The maxima are exact to 1e-6, and a maximum that has
been rounded once is not rounded again. How often the network has stepped is the sum of the carry's counts. Of all
these numbers come first the upper 16 bits, then what is below them: so they are read and written eight at a time.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from model.running import CARRY_SIZE, COUNT, N_BANDS, WIDE

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LAYOUT = 6  # changes with the layout
BEGIN = 8 * WIDE + 4 * (CARRY_SIZE - WIDE)  # where the scales stand
FINE = np.float32(2**23 - 2)  # the largest number of 3 bytes, but for what rounding may add to it
COARSE = np.float32(2**19 - 1)  # the largest number of 20 bits
SMALL = np.float32(16)  # the share of the largest cell below which one is kept more finely


def state_bytes(layers: int, hidden: int) -> int:
    """How many bytes a state has, of a network of so many layers and hidden values (an even number)."""
    return BEGIN + 8 + 3 * (2 * layers + 1) * hidden + 5 * hidden // 2 + (layers * hidden + 7) // 8 + 1


def pack(carry: NDArray[np.float64], network: Floats, raised: NDArray[np.bool_], layers: int, hidden: int) -> Bytes:
    """States [B, state_bytes] of carries [B, CARRY_SIZE], the network's states [B, state_size] and flags [B]."""
    packed = np.empty((len(carry), state_bytes(layers, hidden)), np.uint8)
    packed[:, : 8 * WIDE] = np.ascontiguousarray(carry[:, :WIDE], "<f8").view(np.uint8)
    packed[:, 8 * WIDE : BEGIN] = np.ascontiguousarray(carry[:, WIDE:], "<f4").view(np.uint8)
    write(packed, np.ascontiguousarray(network), layers * hidden, hidden)
    packed[:, -1] = raised
    return packed


def unpack(packed: Bytes, layers: int, hidden: int) -> tuple[NDArray[np.float64], Floats, NDArray[np.bool_]]:
    """What `pack` was given, of states [B, state_bytes]. Any bytes give some numbers."""
    carry = np.empty((len(packed), CARRY_SIZE))
    carry[:, :WIDE] = np.ascontiguousarray(packed[:, : 8 * WIDE]).view("<f8")
    with np.errstate(invalid="ignore"):  # a NaN of any bytes
        carry[:, WIDE:] = np.ascontiguousarray(packed[:, 8 * WIDE : BEGIN]).view("<f4")
    network = np.empty((len(packed), 2 * (layers + 1) * hidden + 1), np.float32)
    read(np.require(packed, requirements=["C", "W"]), network, layers * hidden, hidden)
    with np.errstate(over="ignore"):  # counts of any bytes
        network[:, -1] = carry[:, COUNT : COUNT + N_BANDS].sum(axis=1)
    return carry, network, packed[:, -1] > 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def write(packed: Bytes, network: Floats, wide: int, hidden: int) -> None:
    """Write the network's states into states [B, state_bytes], of `wide` cells and as many outputs, `hidden` sums."""
    fine = 2 * wide + hidden  # numbers of 3 bytes: outputs, cells, sums
    upper = BEGIN + 8
    lower = upper + 2 * (fine + hidden)
    half = hidden // 2
    marks = lower + fine + half  # where the bits of small cells stand
    for i in range(len(packed)):
        cells, sums = network[i, wide : 2 * wide], network[i, 2 * wide + hidden : 2 * (wide + hidden)]
        maxima = network[i, 2 * wide : 2 * wide + hidden]
        high, low = packed[i, upper:lower].view(np.int16), packed[i, lower:]
        scales = packed[i, BEGIN:upper].view(np.float32)
        scales[0], scales[1] = largest(cells), largest(sums)
        cut(network[i, :wide], FINE, high[:wide], low[:wide])
        cut_cells(cells, scales[0], high[wide : 2 * wide], low[wide : 2 * wide], packed[i, marks:-1])
        cut(sums, FINE / scales[1], high[2 * wide : fine], low[2 * wide : fine])
        for j in range(half):
            one, other = np.int32(np.rint(maxima[j] * COARSE)), np.int32(np.rint(maxima[half + j] * COARSE))
            high[fine + j], high[fine + half + j] = np.int16(one >> 4), np.int16(other >> 4)
            low[fine + j] = np.uint8((one & 15) | ((other & 15) << 4))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def read(packed: Bytes, network: Floats, wide: int, hidden: int) -> None:
    """Read what `write` has written into the network's states."""
    fine = 2 * wide + hidden
    upper = BEGIN + 8
    lower = upper + 2 * (fine + hidden)
    half = hidden // 2
    marks = lower + fine + half
    for i in range(len(packed)):
        maxima = network[i, 2 * wide : 2 * wide + hidden]
        high, low = packed[i, upper:lower].view(np.int16), packed[i, lower:]
        scales = packed[i, BEGIN:upper].view(np.float32)
        join(high[:wide], low[:wide], np.float32(1), network[i, :wide])
        cells = network[i, wide : 2 * wide]
        join_cells(high[wide : 2 * wide], low[wide : 2 * wide], scales[0], packed[i, marks:-1], cells)
        join(
            high[2 * wide : fine], low[2 * wide : fine], scales[1], network[i, 2 * wide + hidden : 2 * (wide + hidden)]
        )
        for j in range(half):
            both = np.int32(low[fine + j])
            maxima[j] = np.float32((np.int32(high[fine + j]) << 4) | (both & 15)) / COARSE
            maxima[half + j] = np.float32((np.int32(high[fine + half + j]) << 4) | (both >> 4)) / COARSE


@numba.njit(cache=True, nogil=True, error_model="numpy")
def largest(values: Floats) -> np.float32:
    """The largest size of some values; the smallest that can be divided by where all are 0."""
    found = np.float32(1e-30)
    for j in range(len(values)):
        found = max(found, abs(values[j]))
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cut(values: Floats, factor: np.float32, high: NDArray[np.int16], low: Bytes) -> None:
    """Values times a factor as whole numbers of 3 bytes: their upper two and their lowest."""
    for j in range(len(values)):
        number = np.int32(np.rint(values[j] * factor))
        high[j], low[j] = np.int16(number >> 8), np.uint8(number & 255)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def join(high: NDArray[np.int16], low: Bytes, scale: np.float32, values: Floats) -> None:
    """What `cut` has cut, times a scale."""
    factor = np.float32(scale / FINE)
    for j in range(len(values)):
        values[j] = np.float32((np.int32(high[j]) << 8) | np.int32(low[j])) * factor


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cut_cells(cells: Floats, scale: np.float32, high: NDArray[np.int16], low: Bytes, marks: Bytes) -> None:
    """As `cut`, for shares of a scale; a cell that is small is cut more finely, and has its bit set."""
    whole, limit = FINE / scale, scale / SMALL
    for j in range(len(cells)):
        number = np.int32(np.rint(cells[j] * (whole * SMALL if abs(cells[j]) < limit else whole)))
        high[j], low[j] = np.int16(number >> 8), np.uint8(number & 255)
    for i in range(len(marks)):
        found = 0
        for j in range(8 * i, min(8 * i + 8, len(cells))):
            found |= (abs(cells[j]) < limit) << (j & 7)
        marks[i] = found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def join_cells(high: NDArray[np.int16], low: Bytes, scale: np.float32, marks: Bytes, cells: Floats) -> None:
    """What `cut_cells` has cut."""
    join(high, low, scale, cells)
    fine = np.float32(1) / SMALL
    for j in range(len(cells)):
        cells[j] *= fine if (marks[j >> 3] >> (j & 7)) & 1 else np.float32(1)
