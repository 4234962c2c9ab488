"""How often each class occurs in what a survey sees, as published: objects, not alerts.

A source may not count every class. Then those that it counts share, as it says, what the artefact's own frequencies
give them together, and the others keep theirs. A survey without a source here keeps the artefact's frequencies whole.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model.taxonomy import CLASS_IDS

Floats = NDArray[np.float64]

# Three years of LSST as simulated: the objects of PLAsTiCC's test set, which pass its trigger. Kessler et al. 2019,
# PASP 131, 094501 (arXiv:1903.11756), counted in the unblinded metadata (doi:10.5281/zenodo.2539456): 3,492,890 with
# the 13,087 of classes that we do not know. Supernovae follow measured rates; stars and AGN were thinned, so between
# the groups these are not the sky's.
LSST = {
    90: 1_659_831, 42: 1_000_150, 62: 175_094, 52: 63_664, 67: 40_193, 95: 35_782, 15: 13_555, 64: 133,
    88: 101_424, 92: 197_155, 16: 96_572, 65: 93_494, 53: 1_453, 6: 1_303,
}  # fmt: skip

# Spectroscopic types of ZTF's Bright Transient Survey, peak above 19 mag, its quality cuts: Perley et al. 2020, ApJ
# 904, 35 (arXiv:2009.01242), and its sample explorer, sites.astro.caltech.edu/ztf/bts. Ia with 91T; II with IIn and
# IIP; Ib, Ic and IIb. It counts neither Iax nor kilonovae, and of stars and AGN nothing. These counts are second-hand:
# noted down in 2026 from what others had read off the explorer, which was not asked again. Who relies on them compares.
ZTF = {90: 5_044 + 151, 67: 41, 42: 899 + 175 + 62, 62: 114 + 153 + 107, 95: 63, 15: 33}

COUNTS: Mapping[str, Mapping[int, int]] = {"plasticc": LSST, "rubin": LSST, "lsst": LSST, "ztf": ZTF}


def published(counts: Mapping[int, int], frequencies: Floats) -> Floats:
    """Class frequencies [14] that a source tells, beside an artefact's own [14], which sum to 1."""
    counted = np.array([c in counts for c in CLASS_IDS])
    found = frequencies.copy()
    told = np.array([counts.get(c, 0) for c in CLASS_IDS], np.float64)
    found[counted] = frequencies[counted].sum() * told[counted] / told.sum()
    return found


def factors(frequencies: Floats) -> dict[bytes, Floats]:
    """By survey, what turns probabilities of an artefact's class frequencies [14] into those of the published, [14]."""
    return {name.encode(): published(counts, frequencies) / frequencies for name, counts in COUNTS.items()}
