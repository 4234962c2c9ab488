"""The surveys whose packets are read here, and which of them a writer's schema is of."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.surveys import elasticc, native, rubin, ztf
from broker.surveys.adapted import Adapted
from broker.surveys.checks import LONGEST_HISTORY
from broker.surveys.columns import Columns
from broker.surveys.fields import Fields

Adapt = Callable[[Columns, NDArray[np.int64], NDArray[np.int64]], Adapted]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is read of a survey's packets, and how."""

    name: str  # as metrics and pages say it
    schemas: re.Pattern[str]  # full names of its writers' schemas, of any version
    fields: Fields
    alerts: Adapt
    longest_history: int  # rows of all tables of a packet
    max_body_bytes: int  # a decoded body takes some 20 times its bytes: this bounds memory and time


SURVEYS: tuple[Survey, ...] = (
    Survey(
        "native",
        re.compile(r"misweeper\.Observation"),
        native.FIELDS,
        native.alerts,
        longest_history=LONGEST_HISTORY,
        max_body_bytes=256 * 1024,  # 10,000 observations of history at 19 bytes each, and room to spare
    ),
    Survey(
        "rubin",
        re.compile(r"lsst\.v[0-9]+_[0-9]+\.alert"),
        rubin.FIELDS,
        rubin.alerts,
        longest_history=LONGEST_HISTORY,  # 1,059 seen
        max_body_bytes=4 * 1024 * 1024,  # 513 KB seen
    ),
    Survey(
        "ztf",
        re.compile(r"ztf\.alert"),
        ztf.FIELDS,
        ztf.alerts,
        longest_history=LONGEST_HISTORY,  # 136 seen
        max_body_bytes=1024 * 1024,  # 79 KB seen
    ),
    Survey(
        "elasticc",
        re.compile(r"elasticc\.v[0-9]+_[0-9]+(_[0-9]+)?\.alert"),
        elasticc.FIELDS,
        elasticc.alerts,
        longest_history=LONGEST_HISTORY,
        max_body_bytes=1024 * 1024,
    ),
)

NAMELESS = frozenset({"topLevelRecord"})  # what Spark calls any record, and so Fink the packets that it passes on


def survey_named(schema: str) -> Survey | None:
    """The survey that a schema's full name is of; None for a stranger's."""
    return next((survey for survey in SURVEYS if survey.schemas.fullmatch(schema)), None)
