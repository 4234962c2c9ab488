"""What training has seen of each class, as running statistics: what is usual, and how far anything goes.

It says why an alert is flagged: which statistics are furthest from what is usual for the nearest class, in standard
deviations within that class. A statistic that says nothing of an object (of a band that was not observed, of a redshift
that is not known) is neither learned from nor named.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from model.features import PER_BAND, STATISTICS
from model.observation import BANDS
from model.quality import AT, FLUXES, GROUPS, Bounds
from model.taxonomy import CLASSES, GALACTIC_MASK

NAMED = 3  # statistics that are named
LEAST_SHARE = 0.1  # of a statistic's deviation over all classes: no class is thought to be narrower
SMALLEST = 1e-3  # a deviation at least
ROOM = 0.1  # of the range of a flux in training, on either side of it: not every object there is was in it

WORDS = ("galactic", "ddf", "photoz_missing", "mwebv_missing", "ddf_missing")  # say what is known, not what was seen
OF_REDSHIFT = tuple(
    n for n in STATISTICS if n.endswith("_rest") or "luminosity" in n or n.startswith(("photoz", "log_photoz"))
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Tensors beside an artefact's weights."""

    means: Tensor  # [14, S], of each class; of one that does not occur, those of all
    deviations: Tensor  # [14, S], within it, above 0
    least: Tensor  # [3, 4], of quality.FLUXES: see Bounds
    most: Tensor  # [3, 4]

    @property
    def bounds(self) -> Bounds:
        """Beyond which an answer is outside of what training has seen."""
        return Bounds(self.least, self.most)

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})


SHAPES = {  # of the tensors
    "means": [len(CLASSES), len(STATISTICS)],
    "deviations": [len(CLASSES), len(STATISTICS)],
    "least": [GROUPS, len(FLUXES)],
    "most": [GROUPS, len(FLUXES)],
}


def told(statistics: Tensor) -> Tensor:
    """Which of the statistics [B, S] say something of their objects. [B, S]."""
    found = torch.ones_like(statistics, dtype=torch.bool)
    for place, band in enumerate(BANDS):
        observed = statistics[:, STATISTICS.index(f"log_count_{band}")] > 0
        found[:, place : len(PER_BAND) * len(BANDS) : len(BANDS)] = observed[:, None]
    known = statistics[:, STATISTICS.index("photoz_missing")] < 0.5
    far = known & (statistics[:, STATISTICS.index("galactic")] < 0.5)
    for names, there in ((OF_REDSHIFT, far), (("mwebv",), statistics[:, STATISTICS.index("mwebv_missing")] < 0.5)):
        found[:, [STATISTICS.index(name) for name in names]] = there[:, None]
    found[:, [STATISTICS.index(name) for name in WORDS]] = False
    return found


def see(statistics: Tensor, labels: Tensor) -> Seen:
    """What training has seen, from statistics [N, S] after some observations of objects of classes labels [N]."""
    wide, there = statistics.double(), told(statistics)
    whole_mean, whole_deviation = usual(wide, there)
    means, deviations = whole_mean.repeat(len(CLASSES), 1), whole_deviation.repeat(len(CLASSES), 1)
    for c in range(len(CLASSES)):
        own = labels == c
        enough = there[own].sum(dim=0) > 1
        mean, deviation = usual(wide[own], there[own])
        means[c, enough], deviations[c, enough] = mean[enough], deviation[enough]
    deviations = torch.maximum(deviations, LEAST_SHARE * whole_deviation).clamp_min(SMALLEST)
    ours = torch.tensor(GALACTIC_MASK)[labels]
    ranges = [span(wide[own][:, AT]) if own.any() else span(wide[:, AT]) for own in (ours | ~ours, ~ours, ours)]
    least, most = (torch.stack(side).float() for side in zip(*ranges, strict=True))
    return Seen(means.float(), deviations.float(), least, most)


def span(values: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the most [W] of values [N, W], with ROOM on either side."""
    least, most = values.amin(dim=0), values.amax(dim=0)
    room = ROOM * (most - least)
    return least - room, most + room


def usual(values: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Means and standard deviations [S] of those values [N, S] that are there; 0 of none."""
    count = there.sum(dim=0).clamp_min(1)
    mean = torch.where(there, values, 0.0).sum(dim=0) / count
    square = torch.where(there, (values - mean) ** 2, 0.0).sum(dim=0) / count
    return mean, square.sqrt()


def furthest(statistics: Tensor, classes: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
    """The NAMED statistics [B, 3] that are furthest from what is usual for classes [B], and how far [deviations].

    Args:
        statistics: [B, S].
        classes: [B], columns of the taxonomy.
        seen: by training.
    """
    away = (statistics - seen.means[classes]) / seen.deviations[classes]
    away = torch.where(told(statistics) & away.isfinite(), away, 0.0)
    which = away.abs().topk(NAMED, dim=1).indices
    return which, away.gather(1, which)
