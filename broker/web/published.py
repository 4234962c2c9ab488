"""Classifications as columns: what a page needs of thousands of messages at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.packets.columns import Columns
from broker.packets.fields import Field, Fields, Kind, Table
from broker.packets.framings import WIRE
from broker.packets.projection import compile_projection
from broker.web.index import Row
from broker.web.places import pixels
from model.taxonomy import CLASS_IDS
from schemas.catalogue import load

TEXTS = ("survey", "objectId", "priors", "classifierName", "classifierVersion")
FIELDS: Fields = {
    **{name: Field((name,), Kind.LONG) for name in ("alertId", "observations", "ingestTimestamp", "publishTimestamp")},
    **{name: Field((name,), Kind.DOUBLE) for name in ("mjd", "ra", "dec", "p99", "anomalyScore")},
    **{name: Field((name,), Kind.TEXT) for name in TEXTS},
    "anomaly": Field(("anomaly",), Kind.BOOL),
    "classifications": Table(
        ("classifications",),
        {"classId": Field(("classId",), Kind.LONG), "probability": Field(("probability",), Kind.DOUBLE)},
    ),
}  # fmt: skip
CLASSES = np.array(CLASS_IDS)
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
    """Reads classifications of ours in Confluent's wire framing."""

    def __init__(self) -> None:
        self._projection = compile_projection(load("classification"), FIELDS)

    def read(self, values: Sequence[bytes]) -> Columns:
        """The columns of the n messages that decode; `which` says which these are."""
        columns, _ = self._projection.read([value[WIRE.size :] for value in values], len(CLASSES))
        return columns


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


def rows(columns: Columns, places: Sequence[Place]) -> list[Row]:
    """Rows of the index for classifications [n], each with its place [n]; what no page could show is left out."""
    values, chances = columns.values, probabilities(columns)
    best = chances.argmax(axis=1) if len(chances) else np.empty(0, np.int64)
    where = np.stack([values["ra"], values["dec"]], axis=1)
    pixel = pixels(where)
    texts = {name: [text.decode(errors="replace") for text in values[name]] for name in TEXTS}
    return [
        {
            "survey": texts["survey"][i], "object": texts["objectId"][i], "alert": int(values["alertId"][i]),
            "mjd": float(values["mjd"][i]), "observations": int(values["observations"][i]),
            "best": CLASS_IDS[best[i]], "probability": float(chances[i, best[i]]),
            "probabilities": chances[i].tobytes(), "p99": float(values["p99"][i]),
            "score": float(values["anomalyScore"][i]), "anomaly": int(values["anomaly"][i] > 0),
            "priors": texts["priors"][i], "model": texts["classifierName"][i], "version": texts["classifierVersion"][i],
            "read_ms": int(values["ingestTimestamp"][i]), "published_ms": int(values["publishTimestamp"][i]),
            "ra": known(where[i, 0]), "dec": known(where[i, 1]), "pixel": int(pixel[i]) if pixel[i] >= 0 else None,
            **places[i]._asdict(),
        }
        for i in np.flatnonzero(sane(columns, chances)).tolist()
    ]  # fmt: skip


def sane(columns: Columns, chances: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of n classifications have numbers where there must be some, and times within a calendar. [n]."""
    numbers = [columns.values[name] for name in ("mjd", "p99", "anomalyScore")]
    times = [columns.values[name] for name in ("ingestTimestamp", "publishTimestamp")]
    tests = [np.isfinite(chances).all(axis=1), *map(np.isfinite, numbers), *((t >= 0) & (t < LATEST_MS) for t in times)]
    found: NDArray[np.bool_] = np.logical_and.reduce(tests)
    return found


def known(number: float) -> float | None:
    """A number, or None for NaN and infinity."""
    return float(number) if np.isfinite(number) else None


def night_of(ms: int) -> str:
    """The UTC date of a time [ms since 1970]: counts of a night are counts of that day."""
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
