"""What an epoch draws from: each object, and what a teacher says of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.dataset import Objects


class Example(NamedTuple):
    """An object as an epoch shows it."""

    curve: NDArray[np.void]  # [T] of dtype OBSERVATION
    context: np.void
    soft: NDArray[np.float16] | None = None  # [T, 14]: a teacher's probabilities after each observation


Pool = Sequence[Example]  # one of each object


def plain_pool(objects: Objects) -> list[Example]:
    """Each object without a teacher."""
    return [Example(curve, context) for curve, context in zip(objects.curves, objects.contexts, strict=True)]
