"""How little an object is like any class: P99 of the report, and a distance to what the network has seen.

P99 knows only the 14 probabilities; for objects of a class that was left out of training it says hardly more than
chance. The last hidden layer keeps what tells the known classes apart and drops what would tell a new one. So the
distance is taken before it, in what the head is given (pooled output of the LSTM and running statistics) and its first
layer: principal directions, made of variance 1 within the classes, and the nearest of a few prototypes of each class.
Both need one read-out: O(1) an alert.

How far a known object may be depends on how much is known of it: a curve of one point lies near the middle of all, and
scatters most between its third and its sixteenth detection. So the flag's threshold is a table, by what a light curve's
running statistics say of it at that moment, and the share of the alerts of known classes that are flagged is the same
at every age.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from model.features import STATISTICS
from model.taxonomy import CLASSES

LEAST_DOUBT = 2.0**-25  # half of what a float32 below 1 can still tell from 1; so class 99 is never 0 (old bug 3)
DIRECTIONS = 32  # principal ones that are kept
PROTOTYPES = 32  # of each class; fewer where fewer read-outs were given
ROUNDS = 10  # of k-means
DETECTIONS = (1, 2, 4, 8, 16, 32)  # upper ends of the table's rows, so far; more are in the last one
DAYS = (3, 10, 30, 100)  # upper ends of its columns, since the first detection; more are in the last one
TABLE = (2, len(DETECTIONS) + 1, len(DAYS) + 1)  # without and with the host's redshift, then the rows and the columns
SHRINKAGE = 1e-2  # of the covariance towards a multiple of the identity: keeps directions without variance finite


@dataclass(frozen=True, slots=True)
class AnomalyConstants:
    """All that `score` and the flag need."""

    projection: Tensor  # [E, D]: from features to where distances are taken
    prototypes: Tensor  # [P, D]: of the classes that were trained on
    thresholds: Tensor  # of shape TABLE: scores above them are flagged
    false_alarm_rate: float  # share of the alerts of known classes above the thresholds, at any age

    def to(self, device: torch.device) -> Self:
        """The same constants on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("projection", "prototypes", "thresholds")}
        return replace(self, **moved)


def p99(probabilities: Tensor) -> Tensor:
    """Class 99 of the report [B] from probabilities [B, 14]: prod(1 - p), after all 15 are made to sum to 1.

    The product is at most (13/14)^14 = 0.354, for a uniform distribution, so the result is at most 0.261. For a
    row of 15 that sums to 1 multiply the 14 by (1 - p99).
    """
    product = (1 - probabilities.double()).clamp_min(LEAST_DOUBT).prod(dim=-1)
    return (product / (1 + product)).float()


def fit(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Projection [E, D] and prototypes [P, D]; every class weighs the same in the covariance.

    Args:
        features: [N, E] of training objects.
        labels: [N]; those that occur have prototypes.
    """
    wide = features.double()
    scale = wide.std(dim=0) + 1e-3
    centred = (wide - wide.mean(dim=0)) / scale
    _, directions = torch.linalg.eigh(centred.T @ centred / len(centred))  # by ascending variance
    directions = directions[:, -DIRECTIONS:] / scale[:, None]
    projected = wide @ directions
    present = sorted(set(labels.tolist()))
    covariance = torch.stack([scatter(projected[labels == c]) for c in present]).mean(dim=0)
    size = len(covariance)
    covariance += SHRINKAGE * covariance.trace() / size * torch.eye(size, dtype=covariance.dtype)
    projection = directions @ torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    prototypes = torch.cat([centres(wide[labels == c] @ projection) for c in present])
    return projection.float().contiguous(), prototypes.float().contiguous()


def scatter(values: Tensor) -> Tensor:
    """Mean of the outer products [E, E] of values [N, E] about their mean."""
    offset = values - values.mean(dim=0)
    return offset.T @ offset / len(values)


def centres(values: Tensor) -> Tensor:
    """At most PROTOTYPES centres [K, D] of values [N, D] by k-means, always the same for the same values."""
    chosen = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))[:PROTOTYPES]
    found = values[chosen]
    for _ in range(ROUNDS):
        nearest = torch.cdist(values, found).argmin(dim=1)
        found = torch.stack(
            [values[own].mean(dim=0) if (own := nearest == i).any() else found[i] for i in range(len(found))]
        )
    return found


def score(features: Tensor, constants: AnomalyConstants) -> Tensor:
    """Distance [B] of features [B, E] to the nearest prototype, in standard deviations within a class."""
    return distances(features, constants)[0]


def distances(features: Tensor, constants: AnomalyConstants) -> tuple[Tensor, Tensor]:
    """The same, and which prototype that is [B].

    Which prototype is nearest may be found in single precision, as another one nearly as near is nearly as good; the
    distance to it is then a difference of places, which loses nothing.
    """
    placed, prototypes = features @ constants.projection, constants.prototypes
    nearest = torch.addmm(prototypes.square().sum(dim=1) / -2, placed, prototypes.T).argmax(dim=1)
    return (placed - prototypes[nearest]).square_().sum(dim=1).sqrt_(), nearest


def classes_of(nearest: Tensor, constants: AnomalyConstants) -> Tensor:
    """The columns [B] of the classes that prototypes [B] are of; -1 where not all classes have as many of them."""
    whole = len(constants.prototypes) == PROTOTYPES * len(CLASSES)
    return nearest // PROTOTYPES if whole else torch.full_like(nearest, -1)


def flagged(scores: Tensor, statistics: Tensor, constants: AnomalyConstants) -> Tensor:
    """Which of B scores are above the threshold for what was known then.

    Args:
        scores: [B].
        statistics: [B, S], the running statistics with which they were computed.
        constants: with the table.
    """
    return scores > thresholds(statistics, constants)


def thresholds(statistics: Tensor, constants: AnomalyConstants) -> Tensor:
    """The thresholds [B] for running statistics [B, S]."""
    return constants.thresholds.flatten()[cell(statistics)]


def cell(statistics: Tensor) -> Tensor:
    """The cell [B] of the table, row after row, for running statistics [B, S] of any value."""
    known = (statistics[:, STATISTICS.index("photoz_missing")] < 0.5).long()
    row = bin_of(statistics[:, STATISTICS.index("log_detections")], [n + 0.5 for n in DETECTIONS])
    column = bin_of(statistics[:, STATISTICS.index("log_since_detection")], DAYS)
    return (known * TABLE[1] + row) * TABLE[2] + column


def bin_of(logs: Tensor, ends: Sequence[float]) -> Tensor:
    """In which bin [B] values lie, of which ln(1 + value) [B] is given; the bins' upper ends belong to them."""
    edges = torch.tensor([math.log1p(end) for end in ends], dtype=logs.dtype, device=logs.device)
    return torch.bucketize(logs.contiguous(), edges)


def everywhere(threshold: float) -> Tensor:
    """The table of one threshold for all."""
    return torch.full(TABLE, threshold)
