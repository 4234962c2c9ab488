"""A figure: what was measured again and again in one run, its median and its spread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    part: str  # of the benchmark
    name: str
    unit: str
    values: tuple[float, ...]

    @classmethod
    def of(cls, part: str, name: str, unit: str, values: Iterable[float]) -> Self:
        """A figure of values; a ratio has the unit ""."""
        return cls(part, name, unit, tuple(float(v) for v in values))

    @property
    def median(self) -> float:
        return float(np.median(self.values))

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the values is below the first, a quarter above the second."""
        low, high = np.percentile(self.values, (25, 75))
        return float(low), float(high)


def ratios(part: str, name: str, above: Sequence[float], below: Sequence[float]) -> Figure:
    """One figure over another, round by round."""
    return Figure.of(part, name, "", [a / b for a, b in zip(above, below, strict=True)])
