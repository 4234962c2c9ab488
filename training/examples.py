"""What an epoch draws from: each object as it is, and as it would look at other redshifts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.dataset import Objects


class Example(NamedTuple):
    """An object as it may be shown."""

    curve: NDArray[np.void]  # [T] of dtype OBSERVATION
    context: np.void


Pool = Sequence[Sequence[Example]]  # by object: as it is, then its versions


def plain_pool(objects: Objects) -> list[list[Example]]:
    """Each object as it is."""
    return [[Example(curve, context)] for curve, context in zip(objects.curves, objects.contexts, strict=True)]


def show(options: Sequence[Example], share: float, rng: np.random.Generator) -> Example:
    """The object as it is, or in a share of draws one of its versions, if it has any."""
    if len(options) > 1 and rng.random() < share:
        return options[int(rng.integers(1, len(options)))]
    return options[0]
