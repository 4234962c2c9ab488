"""Rows of the page's index, made up."""

from typing import Any

import numpy as np

from broker.web.index import Batch, Index
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


def written(index: Index, *rows: dict[str, Any]) -> None:
    index.write(Batch(rows, {}, {}))
