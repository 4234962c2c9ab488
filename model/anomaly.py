"""How little an object is like any class: P99 of the report, and a distance in the network's own space.

P99 knows only the 14 probabilities; for objects of a class that was left out of training it says hardly more than
chance. The distance to the nearest class in the space of the last hidden layer does (Lee et al. 2018,
arXiv:1807.03888): Mahalanobis, with one covariance shared by all classes. Both need one read-out: O(1) an alert.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

SHRINKAGE = 1e-2  # of the covariance towards a multiple of the identity: keeps directions without variance finite


@dataclass(frozen=True, slots=True)
class AnomalyConstants:
    """All that `score` and the flag need."""

    means: Tensor  # [C, E]: of each class that was trained on
    whitening: Tensor  # [E, E]: makes the shared covariance the identity
    threshold: float  # scores above it are flagged
    false_alarm_rate: float  # share of validation read-outs of known classes above the threshold

    def to(self, device: torch.device) -> Self:
        """The same constants on a device."""
        return replace(self, means=self.means.to(device), whitening=self.whitening.to(device))


def p99(probabilities: Tensor) -> Tensor:
    """Class 99 of the report [B] from probabilities [B, 14]: prod(1 - p), after all 15 are made to sum to 1.

    The product is at most (13/14)^14 = 0.354, for a uniform distribution, so the result is at most 0.261. For a
    row of 15 that sums to 1 multiply the 14 by (1 - p99).
    """
    product = (1 - probabilities.double()).prod(dim=-1)
    return (product / (1 + product)).float()


def fit(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Class means [C, E] and the whitening [E, E] of the covariance within classes, every class weighing the same.

    Args:
        embeddings: [N, E] of training objects.
        labels: [N]; C different ones occur.
    """
    wide = embeddings.double()
    present = sorted(set(labels.tolist()))
    means = torch.stack([wide[labels == c].mean(dim=0) for c in present])
    covariance = torch.stack([scatter(wide[labels == c]) for c in present]).mean(dim=0)
    size = len(covariance)
    covariance += SHRINKAGE * covariance.trace() / size * torch.eye(size, dtype=covariance.dtype)
    whitening = torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    return means.float(), whitening.float().contiguous()


def scatter(values: Tensor) -> Tensor:
    """Mean of the outer products [E, E] of values [N, E] about their mean."""
    offset = values - values.mean(dim=0)
    return offset.T @ offset / len(values)


def score(embeddings: Tensor, constants: AnomalyConstants) -> Tensor:
    """Distance [B] of embeddings [B, E] to the nearest class mean, in standard deviations."""
    offsets = (embeddings[:, None] - constants.means) @ constants.whitening  # [B, C, E]
    return offsets.square().sum(dim=2).amin(dim=1).sqrt()


def threshold_at(scores: Tensor, false_alarm_rate: float) -> float:
    """The score that a share `false_alarm_rate` of known objects' scores [N] exceeds."""
    return float(scores.double().quantile(1 - false_alarm_rate))
