"""ELAsTiCC's brokerClassfication (sic), v0.9.1: the numbers of an alert, two times, and a template with the floats."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broker.outputs.shares import DECLINED, ELASTICC_IDS, shares
from broker.outputs.template import MARK, Templates, encoded, long, part
from broker.settings.predicates import PRIORS
from model.runs import Verdicts
from schemas.catalogue import load

NAME, VERSION = "elasticc", 1
REST = ("brokerName", "brokerVersion", "classifierName", "classifierParams", "classifications")
DIGEST = 12  # letters of the artefact's
PRESENT = long(1)  # the branch of a time that is known

Numbers = Sequence[tuple[int, int, int]]  # alert, source, when it was sent [ms since 1970]


class ElasticcEncoder:
    """Encodes ELAsTiCC's records of one artefact, without any framing.

    Args:
        priors: those of the classifier, which records of declined alerts name.
        classifier_name: of the artefact.
        classifier_version: its digest.
        broker_version: ours.
    """

    def __init__(self, *, priors: str, classifier_name: str, classifier_version: str, broker_version: str) -> None:
        said = {
            "brokerName": "misweeper",
            "brokerVersion": broker_version,
            "classifierName": f"{classifier_name} {classifier_version[:DIGEST]}",
        }
        rest = part(load(NAME, VERSION), "Rest", REST)
        classes = [{"classId": number, "probability": MARK} for number in ELASTICC_IDS]
        assuming = {word: said | {"classifierParams": f"priors={word}"} for word in PRIORS}
        self._rests = Templates([encoded(rest, one | {"classifications": classes}) for one in assuming.values()])
        self._declined = encoded(rest, assuming[priors] | {"classifications": DECLINED})

    def encode(self, numbers: Numbers, verdicts: Verdicts, priors: NDArray[np.int64], read_ms: int) -> list[bytes]:
        """The records [k] of some alerts.

        Args:
            numbers: [k].
            verdicts: [k].
            priors: [k], which of PRIORS their probabilities assume.
            read_ms: when the alerts were read [ms since 1970].
        """
        rests = self._rests.filled(priors, shares(verdicts.probabilities))
        return [head(one, read_ms) + rest for one, rest in zip(numbers, rests, strict=True)]

    def declined(self, numbers: Numbers, read_ms: int) -> list[bytes]:
        """The records [k] of alerts that are not classified."""
        return [head(one, read_ms) + self._declined for one in numbers]


def head(numbers: tuple[int, int, int], read_ms: int) -> bytes:
    """The fields before the broker's name."""
    return b"".join((*map(long, numbers), PRESENT, long(read_ms)))
