"""How far an answer can be trusted for what it was given: enough, little, or outside of what training has seen.

Little is a curve of one detection or of one band. Outside is a flux, or with a redshift a luminosity, that no training
object has: what the network says there nobody has ever checked. The answer falls back towards the priors then.

How much of the logits is left where there is little was measured on the 790 validation objects of fold 0 in the views
without a cross-match, each object counting once. Of a network that was trained on these views (the recipe `views`)
eight tenths gain .009 of the mean ln p with PLAsTiCC's rows, .037 with Rubin's, .005 with ELAsTiCC's, and cost .005
with ZTF's; seven tenths gain .004 and .047 and cost .002 and .015. Of one that was not (`plasticc`) eight tenths cost
.012 and .009 with PLAsTiCC's and ELAsTiCC's rows, and gain .048 with Rubin's and .39 with ZTF's. The share outside is a
guess: hardly an object of PLAsTiCC lies there.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from model.features import STATISTICS
from model.network import CUT
from model.observation import BANDS
from model.runs import QUALITIES

ENOUGH, LITTLE, OUTSIDE = QUALITIES
TRUST = {ENOUGH: 1.0, LITTLE: 0.8, OUTSIDE: 0.5}  # the share of the network's logits in an answer, the rest is priors
FLUXES = ("asinh_max_flux", "asinh_min_flux", "asinh_max_luminosity", "asinh_min_luminosity")
GROUPS = 3  # of bounds
FEW_DETECTIONS = math.log1p(1.5)

AT = [STATISTICS.index(name) for name in FLUXES]
COUNTS = [STATISTICS.index(f"log_count_{band}") for band in BANDS]
DETECTIONS, GALACTIC, MISSING = (STATISTICS.index(n) for n in ("log_detections", "galactic", "photoz_missing"))


class Bounds(NamedTuple):
    """The least and the most that training has seen of the FLUXES, each [3, 4].

    Of all objects, for those of which no redshift is known; of those in other galaxies; of those in ours.
    """

    least: Tensor
    most: Tensor


def cut_off(mean: Tensor, scale: Tensor) -> Bounds:
    """Where a network cuts the statistics off, from their means and scales [S]: of one whose training is not known."""
    return Bounds(*((mean + side * CUT * scale)[AT].repeat(GROUPS, 1) for side in (-1, 1)))


def quality(statistics: Tensor, bounds: Bounds) -> Tensor:
    """Which of QUALITIES [B], uint8, for running statistics [B, S] of any value."""
    little = (statistics[:, DETECTIONS] < FEW_DETECTIONS) | ((statistics[:, COUNTS] > 0).sum(dim=1) < 2)
    fluxes = statistics[:, AT]
    group = 1 + (statistics[:, GALACTIC] > 0.5).long()
    group.masked_fill_(statistics[:, MISSING] > 0.5, 0)
    outside = ((fluxes < bounds.least[group]) | (fluxes > bounds.most[group])).any(dim=1)
    return little.to(torch.uint8).masked_fill_(outside, QUALITIES.index(OUTSIDE))


def trust(qualities: Tensor) -> Tensor:
    """The share of the network's logits [B] in answers of such QUALITIES [B]."""
    return torch.tensor([TRUST[name] for name in QUALITIES], device=qualities.device)[qualities.long()]
