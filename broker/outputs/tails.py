"""The end of a classification: what it assumes, what it rests on, and why it is flagged.

Nearly all alerts have one of a few such ends, which are made once; a flagged one has its own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.outputs.encoding import Bytes, Ints
from broker.outputs.template import encoded, long, part
from broker.settings.predicates import PRIORS
from model.features import STATISTICS
from model.runs import QUALITIES, Verdicts
from model.taxonomy import CLASS_IDS
from schemas.catalogue import load

BEFORE, AFTER = ("priors", "quality"), ("classifierName", "classifierVersion", "brokerVersion")
CLASS = [long(1) + long(number) for number in CLASS_IDS]  # the branch of a class that is known
STATISTIC = [long(len(name)) + name.encode() for name in STATISTICS]
NOBODY = long(0)  # no class, and no statistics
TRUE, FALSE = b"\x01", b"\x00"


class Chosen(NamedTuple):
    """Some ends of records, and which of them each record has."""

    raw: Bytes
    ends: Ints  # [t], where each ends in raw
    which: Ints  # [n]


class Tails:
    """The ends of the classifications of one artefact.

    Args:
        classifier_name: of the artefact.
        classifier_version: its digest.
        broker_version: ours.
    """

    def __init__(self, *, classifier_name: str, classifier_version: str, broker_version: str) -> None:
        schema = load("classification")
        said = dict(zip(AFTER, (classifier_name, classifier_version, broker_version), strict=True))
        self._after = encoded(part(schema, "After", AFTER), said)
        before = part(schema, "Before", BEFORE)
        self._before = [
            encoded(before, dict(zip(BEFORE, (word, quality), strict=True))) for word in PRIORS for quality in QUALITIES
        ]
        self._plain = [b"".join((one, FALSE, NOBODY, NOBODY, self._after)) for one in self._before]

    def of(self, verdicts: Verdicts, assumed: NDArray[np.int64]) -> Chosen:
        """The ends of verdicts [n], whose probabilities assume PRIORS [n]."""
        kinds = assumed * len(QUALITIES) + verdicts.qualities
        which, ends = kinds.copy(), list(self._plain)
        flagged = np.flatnonzero(verdicts.anomalies)
        which[flagged] = len(ends) + np.arange(len(flagged))
        reasons = (column[flagged].tolist() for column in (kinds, verdicts.nearest, verdicts.furthest))
        away = verdicts.deviations[flagged].astype("<f4")
        for kind, nearest, furthest, how_far in zip(*reasons, away, strict=True):
            ends.append(b"".join((self._before[kind], TRUE, *why(nearest, furthest, how_far), self._after)))
        return Chosen(np.frombuffer(b"".join(ends), np.uint8), np.cumsum([len(one) for one in ends]), which)


def why(nearest: int, furthest: list[int], deviations: NDArray[np.float32]) -> list[bytes]:
    """The class and the statistics, in pieces; -1 where they are not known."""
    named = CLASS[nearest] if nearest >= 0 else NOBODY
    if min(furthest) < 0:
        return [named, NOBODY]
    raw = deviations.tobytes()
    pairs = [STATISTIC[one] + raw[4 * k : 4 * k + 4] for k, one in enumerate(furthest)]
    return [named, long(len(pairs)), *pairs, NOBODY]
