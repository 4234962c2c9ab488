"""Texts where they stand in the bytes, as Python's bytes or as which of a few choices they are."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def texts_at(joined: bytes, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[Any]:
    """The texts [n], an object array of bytes."""
    texts = np.empty(len(starts), object)
    ends = starts + sizes
    texts[:] = [joined[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return texts


def choices_at(
    joined: bytes, starts: NDArray[np.int64], sizes: NDArray[np.int64], choices: tuple[bytes, ...]
) -> NDArray[np.int8]:
    """Which of the choices each text is, -1 for any other. [n]."""
    ends = np.cumsum([0, *map(len, choices)])
    found = np.empty(len(starts), np.int8)
    choose(np.frombuffer(joined, np.uint8), starts, sizes, np.frombuffer(b"".join(choices), np.uint8), ends, found)
    return found


@njit(cache=True, nogil=True)
def choose(data: Any, starts: Any, sizes: Any, choices: Any, ends: Any, found: Any) -> None:  # noqa: ANN401
    """Compares each text with each choice; `ends` has where each choice begins and the last one ends."""
    for i in range(starts.size):
        found[i] = -1
        for choice in range(ends.size - 1):
            first = ends[choice]
            if sizes[i] != ends[choice + 1] - first:
                continue
            same = True
            for k in range(sizes[i]):
                same &= data[starts[i] + k] == choices[first + k]
            if same:
                found[i] = choice
                break
