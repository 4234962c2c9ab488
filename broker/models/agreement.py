"""How far two artefacts agree about the same alerts: the same numbers for the service's metrics and a recount."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from broker.metrics import Metrics


@dataclass(slots=True)
class Agreement:
    """Sums over alerts that both have answered."""

    compared: int = 0
    same_class: int = 0  # the most probable one
    same_flag: int = 0  # of anomalies
    distance: float = 0.0  # of total variation, half the sum of |p - q|: 0 where all is equal, 1 at most

    @classmethod
    def of(
        cls,
        ours: NDArray[np.float32],
        theirs: NDArray[np.float32],
        flags: NDArray[np.bool_],
        their_flags: NDArray[np.bool_],
    ) -> "Agreement":
        """Of probabilities [n, 14] and flags [n]."""
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).sum(axis=1) / 2
        same = ours.argmax(axis=1) == theirs.argmax(axis=1) if len(ours) else np.zeros(0, np.bool_)
        return cls(len(ours), int(same.sum()), int((flags == their_flags).sum()), float(apart.sum()))

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def shares(self) -> dict[str, float | int]:
        """What people read."""
        of = max(1, self.compared)
        return {
            "compared": self.compared,
            "same_class": self.same_class,
            "same_flag": self.same_flag,
            "same_class_share": self.same_class / of,
            "same_flag_share": self.same_flag / of,
            "mean_distance": self.distance / of,
        }


def count_agreement(metrics: Metrics, agreement: Agreement, missed: Mapping[str, int]) -> None:
    """Count what is committed: how far both agreed, and what the shadow has not answered, by why."""
    metrics.models.compared.inc(agreement.compared)
    metrics.models.same_class.inc(agreement.same_class)
    metrics.models.same_flag.inc(agreement.same_flag)
    metrics.models.distance.inc(agreement.distance)
    for reason, count in missed.items():
        metrics.models.missed.labels(reason).inc(count)
