"""Rows of the page's index and what they are made from, made up."""

from typing import Any

import numpy as np

from broker.web.index import Batch, Index
from broker.web.tables import COLUMNS
from model.taxonomy import CLASS_IDS


def said(name: str, number: int = 0, best: int = 90, **changes: Any) -> dict[str, Any]:
    chances = np.full(len(CLASS_IDS), 0.02, np.float32)
    chances[CLASS_IDS.index(best)] = 0.74
    row = {
        "survey": "plasticc",
        "object": name,
        "alert": 2**60 + number,
        "mjd": 60_000.0 + number,
        "observations": 1 + number,
        "best": best,
        "probability": 0.74,
        "probabilities": chances.tobytes(),
        "p99": 0.1,
        "score": 3.0,
        "threshold": 5.5,
        "nearest": None,
        "reasons": "[]",
        "photoz": 0.25,
        "quality": "enough",
        "anomaly": 0,
        "priors": "natural",
        "model": "default",
        "version": "d98ad02349cc",
        "read_ms": 1_795_000_000_000 + number,
        "published_ms": 1_795_000_000_020 + number,
        "source_topic": "alerts",
        "source_partition": 0,
        "source_offset": number,
        "topic": "misweeper.classifications",
        "partition": 0,
        "offset": number,
        "ra": None,
        "dec": None,
        "pixel": None,
    }
    return row | changes


def classification(**changes: Any) -> dict[str, Any]:
    """One of ours, as it is published."""
    record = {
        "alertId": 2**60,
        "objectId": "new",
        "survey": "ztf",
        "mjd": 60_000.5,
        "ra": 150.0,
        "dec": 2.0,
        "observations": 12,
        "classifications": [{"classId": c, "probability": 1 / 14} for c in CLASS_IDS],
        "priors": "natural",
        "p99": 0.2,
        "anomalyScore": 4.5,
        "anomaly": False,
        "classifierName": "default",
        "classifierVersion": "d98a",
        "brokerVersion": "1",
        "ingestTimestamp": 1_795_000_000_000,
        "publishTimestamp": 1_795_000_000_015,
    }
    return record | changes


def as_told(*rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """As the index is told."""
    return [tuple(row[name] for name in COLUMNS) for row in rows]


def written(index: Index, *rows: dict[str, Any]) -> None:
    index.write(Batch(as_told(*rows), {}, {}))
