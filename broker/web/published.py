"""Classifications as columns: what a page needs of thousands of messages at once."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from json import dumps
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.packets.readback import ReadBack
from broker.surveys.columns import Columns
from broker.surveys.fields import Field, Fields, Kind, Table
from broker.web.places import pixels
from broker.web.tables import COLUMNS
from model.taxonomy import CLASS_IDS, CLASS_NAMES

TEXTS = ("survey", "objectId", "priors", "classifierName", "classifierVersion")
FIELDS: Fields = {
    **{name: Field((name,), Kind.LONG) for name in ("alertId", "observations", "ingestTimestamp", "publishTimestamp")},
    **{name: Field((name,), Kind.DOUBLE) for name in ("mjd", "ra", "dec", "p99", "anomalyScore")},
    **{name: Field((name,), Kind.TEXT) for name in TEXTS},
    "anomaly": Field(("anomaly",), Kind.BOOL),
    **{name: Field((name,), Kind.DOUBLE, required=False) for name in ("photoz", "anomalyThreshold")},  # since version 2
    "quality": Field(("quality",), Kind.TEXT, required=False),
    "nearestClass": Field(("nearestClass",), Kind.LONG, required=False),
    "furthest": Table(
        ("furthest",),
        {"statistic": Field(("statistic",), Kind.TEXT), "deviations": Field(("deviations",), Kind.DOUBLE)},
    ),
    "classifications": Table(
        ("classifications",),
        {"classId": Field(("classId",), Kind.LONG), "probability": Field(("probability",), Kind.DOUBLE)},
    ),
}  # fmt: skip
CLASSES = np.array(CLASS_IDS)
MOST_REASONS, NONE = 3, "[]"  # of a flag
DAY_MS, NOON_MS = 86_400_000, 43_200_000
LATEST_MS = 253_402_300_800_000  # the year 10000


class Place(NamedTuple):
    """Where a message stands, and the alert's that it answers."""

    topic: str
    partition: int
    offset: int
    source_topic: str
    source_partition: int
    source_offset: int


class Classifications:
    """Reads classifications of ours, of any version, in Confluent's wire framing."""

    def __init__(self) -> None:
        self._readback = ReadBack("classification", FIELDS)

    def read(self, values: Sequence[bytes]) -> Columns:
        """The columns of the n messages that decode; `which` says which these are."""
        return self._readback.read(values, len(CLASSES) + MOST_REASONS)


def probabilities(columns: Columns) -> NDArray[np.float32]:
    """The probabilities [n, 14] in the order of the taxonomy; 0 for a class that a message does not name."""
    table = columns.tables["classifications"]
    owner = np.repeat(np.arange(len(table.ends)), np.diff(table.ends, prepend=0))
    ids = table.values["classId"]
    slot = np.searchsorted(CLASSES, ids).clip(max=len(CLASSES) - 1)
    known = CLASSES[slot] == ids
    found = np.zeros((len(table.ends), len(CLASSES)), np.float32)
    found[owner[known], slot[known]] = table.values["probability"][known]
    return found


def reasons(columns: Columns) -> list[str]:
    """Why each of n messages is flagged, as JSON: names of statistics, and how far each is [deviations]."""
    table = columns.tables["furthest"]
    pairs = list(zip(texts(table.values["statistic"]), known(table.values["deviations"]), strict=True))
    starts = np.concatenate([[0], table.ends[:-1]]).tolist() if len(table.ends) else []
    return [
        dumps([pair for pair in pairs[a:b] if pair[1] is not None]) if b > a else NONE
        for a, b in zip(starts, table.ends.tolist(), strict=True)
    ]


class Shown(NamedTuple):
    """What is counted of n classifications, of which k can be shown."""

    which: NDArray[np.int64]  # [k], of the n
    surveys: list[str]  # [k]
    best: NDArray[np.int64]  # [k], PLAsTiCC class numbers
    anomaly: NDArray[np.bool_]  # [k]
    late_s: NDArray[np.float64]  # [k], from read to published
    published_s: NDArray[np.int64]  # [k], when [s since 1970]
    nights: Counter[str]  # answers of each night
    flagged: Counter[str]  # those with the anomaly flag


def shown(columns: Columns) -> Shown:
    """What a page can show of classifications [n]: they have numbers where there must be some, and a time."""
    values, chances = columns.values, probabilities(columns)
    numbers = [values[name] for name in ("mjd", "p99", "anomalyScore")]
    times = [values[name] for name in ("ingestTimestamp", "publishTimestamp")]
    tests = [np.isfinite(chances).all(axis=1), *map(np.isfinite, numbers), *((t >= 0) & (t < LATEST_MS) for t in times)]
    which = np.flatnonzero(np.logical_and.reduce(tests))
    published = values["publishTimestamp"][which]
    flags = values["anomaly"][which] > 0
    return Shown(
        which,
        texts(values["survey"][which]),
        CLASSES[chances[which].argmax(axis=1)] if len(which) else np.empty(0, np.int64),
        flags,
        np.maximum(0, published - values["ingestTimestamp"][which]) / 1000,
        published // 1000,
        nights_of(published),
        nights_of(published[flags]),
    )


def nights_of(published_ms: NDArray[np.int64]) -> Counter[str]:
    """How many of some times [k] lie in each night."""
    nights, counts = np.unique((published_ms - NOON_MS) // DAY_MS, return_counts=True)
    return Counter(
        {night_date(night * DAY_MS + NOON_MS): n for night, n in zip(nights.tolist(), counts.tolist(), strict=True)}
    )


def rows(columns: Columns, which: Sequence[int], places: Sequence[Place]) -> list[tuple[Any, ...]]:
    """Some of n classifications [k], each with its place [k], as the index is told: COLUMNS each."""
    chosen = np.asarray(which, np.int64)
    values = {name: column[chosen] for name, column in columns.values.items()}
    chances = probabilities(columns)[chosen]
    best = chances.argmax(axis=1)
    why = reasons(columns)
    where = np.stack([values["ra"], values["dec"]], axis=1)
    said = {
        "survey": texts(values["survey"]), "object": texts(values["objectId"]),
        "alert": values["alertId"].tolist(), "mjd": values["mjd"].tolist(),
        "observations": values["observations"].tolist(),
        "best": CLASSES[best].tolist(), "probability": chances[np.arange(len(best)), best].tolist(),
        "probabilities": [row.tobytes() for row in chances], "p99": values["p99"].tolist(),
        "score": values["anomalyScore"].tolist(), "threshold": known(values["anomalyThreshold"]),
        "anomaly": (values["anomaly"] > 0).astype(int).tolist(),
        "nearest": [CLASS_NAMES.get(number) for number in values["nearestClass"].tolist()],
        "reasons": [why[i] for i in which],
        "photoz": known(values["photoz"]), "quality": texts(values["quality"]),
        "priors": texts(values["priors"]), "model": texts(values["classifierName"]),
        "version": texts(values["classifierVersion"]),
        "read_ms": values["ingestTimestamp"].tolist(), "published_ms": values["publishTimestamp"].tolist(),
        "ra": known(values["ra"]), "dec": known(values["dec"]),
        "pixel": [number if number >= 0 else None for number in pixels(where).tolist()],
        **{name: [getattr(place, name) for place in places] for name in Place._fields},
    }  # fmt: skip
    return list(zip(*(said[name] for name in COLUMNS), strict=True))


def texts(values: NDArray[np.object_]) -> list[str]:
    """Texts [k], whatever their bytes are."""
    return [value.decode(errors="replace") for value in values.tolist()]


def known(numbers: NDArray[np.float64]) -> list[float | None]:
    """Numbers [k], None for NaN and infinity."""
    return [number if isfinite(number) else None for number in numbers.tolist()]


def night_date(ms: int) -> str:
    """The date of the night that a time [ms since 1970] lies in: a night goes from noon to noon UTC, as in commands."""
    return datetime.fromtimestamp((ms - NOON_MS) / 1000, UTC).date().isoformat()
