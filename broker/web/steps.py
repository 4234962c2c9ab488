"""Steps: what each alert changed, and what was known of an object. What moved an answer is seen between two of them."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.surveys.limits import TELL, limits
from broker.web.shapes import Answer
from model.observation import BANDS
from model.taxonomy import CLASS_NAMES


def steps(answers: list[Answer]) -> list[dict[str, Any]]:
    """Each answer, oldest first, with the class whose probability moved most since the one before of the same model."""
    found = []
    before: dict[tuple[str, str], dict[int, float]] = {}
    for said in answers:
        model = said.model, said.model_version
        now = {c.class_id: c.probability for c in said.classes}
        then = before.get(model)
        moved = max(now, key=lambda c, then=then: abs(now[c] - (then[c] if then else 0.0)))  # type: ignore[misc]
        found.append(
            {"answer": said, "moved": CLASS_NAMES[moved], "change": now[moved] - then[moved] if then else None}
        )
        before[model] = now
    return found


class Version(NamedTuple):
    """An artefact that answered, and how often."""

    model: str
    version: str
    answers: int


def versions(answers: list[Answer]) -> list[Version]:
    """The artefacts that answered, that of the latest answer first."""
    counts = Counter((a.model, a.model_version) for a in answers)
    latest = dict.fromkeys((a.model, a.model_version) for a in reversed(answers))
    return [Version(*model, counts[model]) for model in latest]


class Known(NamedTuple):
    """What the light curve holds."""

    detections: int
    forced: int
    limits: int | None  # None where the survey's alerts have none
    bands: list[tuple[str, int]]  # those that have points, and how many
    days: float


def known(survey: str, rows: NDArray[np.void]) -> Known:
    """What is known of an object of a survey with a light curve [T]; the records name no photo-z and no threshold."""
    counts = np.bincount(rows["band"], minlength=len(BANDS)).tolist()
    seen = int(rows["detected"].sum())
    days = float(np.ptp(rows["mjd_tai"])) if len(rows) else 0.0
    limited = int(limits(survey, rows).sum())
    bands = [(b, n) for b, n in zip(BANDS, counts, strict=True) if n]
    return Known(seen, len(rows) - seen - limited, limited if survey in TELL else None, bands, days)
