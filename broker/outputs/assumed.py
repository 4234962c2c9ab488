"""Which class frequencies the probabilities of each alert assume, and those of a survey's published rates put in.

The classifier assumes one set for all. Where the configuration asks for published rates, and a source tells those of
an alert's survey, its probabilities are weighed anew: that is one factor a class. The message says which it has.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from broker.settings.predicates import PRIORS
from model.runs import Verdicts

LEAST_DOUBT = 2.0**-25
PUBLISHED = PRIORS.index("published")
Rates = Mapping[bytes, NDArray[np.float64]]  # by survey: see model.rates.factors


def assumed(
    verdicts: Verdicts, objects: Sequence[bytes], priors: str, rates: Rates
) -> tuple[Verdicts, NDArray[np.int64]]:
    """Verdicts [n] as they are published, and which of PRIORS each assumes.

    Args:
        verdicts: [n], of the classifier.
        objects: [n], b"survey/objectId".
        priors: that the classifier applies, one of PRIORS.
        rates: of surveys whose probabilities are weighed anew; none where they are not.
    """
    which = np.full(len(objects), PRIORS.index(priors), np.int64)
    if not rates or not len(objects):
        return verdicts, which
    surveys = [name.partition(b"/")[0] for name in objects]
    weights = np.ones(verdicts.probabilities.shape)
    for survey in set(surveys) & rates.keys():
        own = np.fromiter((one == survey for one in surveys), np.bool_, len(surveys))
        weights[own], which[own] = rates[survey], PUBLISHED
    chances = verdicts.probabilities * weights
    chances = (chances / chances.sum(axis=1, keepdims=True)).astype(np.float32)
    others = none_of_these(chances)
    changed = which == PUBLISHED
    return verdicts._replace(
        probabilities=np.where(changed[:, None], chances, verdicts.probabilities),
        p99=np.where(changed, others, verdicts.p99),
    ), which


def none_of_these(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """P99 [n] of probabilities [n, 14], as `model.anomaly.p99` has it; without torch, which takes seconds to import."""
    product = np.maximum(1 - chances.astype(np.float64), LEAST_DOUBT).prod(axis=1)
    found: NDArray[np.float32] = (product / (1 + product)).astype(np.float32)
    return found
