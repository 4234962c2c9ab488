"""Classifications as columns: what a page needs of thousands of messages at once."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from json import dumps
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.packets.readback import ReadBack
from broker.surveys.columns import Columns
from broker.surveys.fields import Field, Fields, Kind, Table
from broker.web.index import Row
from broker.web.places import pixels
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
    names = [text(name) for name in table.values["statistic"].tolist()]
    far = [known(value) for value in table.values["deviations"].tolist()]
    pairs = list(zip(names, far, strict=True))
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
        [text(values["survey"][i]) for i in which.tolist()],
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


def rows(columns: Columns, which: Sequence[int], places: Sequence[Place]) -> list[Row]:
    """Rows of the index for some of n classifications [k], each with its place [k]."""
    values, chances, why = columns.values, probabilities(columns), reasons(columns)
    best = chances.argmax(axis=1) if len(chances) else np.empty(0, np.int64)
    where = np.stack([values["ra"], values["dec"]], axis=1)
    pixel = pixels(where)
    return [
        {
            "survey": text(values["survey"][i]), "object": text(values["objectId"][i]),
            "alert": int(values["alertId"][i]), "mjd": float(values["mjd"][i]),
            "observations": int(values["observations"][i]),
            "best": CLASS_IDS[best[i]], "probability": float(chances[i, best[i]]),
            "probabilities": chances[i].tobytes(), "p99": float(values["p99"][i]),
            "score": float(values["anomalyScore"][i]), "threshold": known(values["anomalyThreshold"][i]),
            "anomaly": int(values["anomaly"][i] > 0),
            "nearest": CLASS_NAMES.get(int(values["nearestClass"][i])), "reasons": why[i],
            "photoz": known(values["photoz"][i]), "quality": text(values["quality"][i]),
            "priors": text(values["priors"][i]), "model": text(values["classifierName"][i]),
            "version": text(values["classifierVersion"][i]),
            "read_ms": int(values["ingestTimestamp"][i]), "published_ms": int(values["publishTimestamp"][i]),
            "ra": known(where[i, 0]), "dec": known(where[i, 1]), "pixel": int(pixel[i]) if pixel[i] >= 0 else None,
            **place._asdict(),
        }
        for i, place in zip(which, places, strict=True)
    ]  # fmt: skip


def text(value: bytes) -> str:
    """A text, whatever its bytes are."""
    return value.decode(errors="replace")


def known(number: float) -> float | None:
    """A number, or None for NaN and infinity."""
    return float(number) if np.isfinite(number) else None


def night_date(ms: int) -> str:
    """The date of the night that a time [ms since 1970] lies in: a night goes from noon to noon UTC, as in commands."""
    return datetime.fromtimestamp((ms - NOON_MS) / 1000, UTC).date().isoformat()
