"""Labelled skies in a folder, made in the test."""

from pathlib import Path

import numpy as np
import pandas as pd

from model.observation import BANDS


def write_sky(
    folder: Path, name: str, classes: list[int], *, each: int = 8, seed: int = 0, **columns: object
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A set of objects with these classes, `each` observations an object, the odd ones detections; and its tables."""
    rng = np.random.default_rng(seed)
    ids = [f"{name}{i}" for i in range(len(classes))]
    known = pd.DataFrame({"object_id": ids, "class": classes, "type": "?", "redshift": 0.1, "mwebv": 0.02}).assign(
        **columns
    )
    rows = pd.DataFrame(
        {
            "object_id": np.repeat(ids, each),
            "mjd": 59_000 + np.tile(np.arange(each) * 5.0, len(ids)),
            "band": rng.choice(list(BANDS), each * len(ids)),
            "flux": rng.normal(3000, 500, each * len(ids)),
            "flux_err": 100.0,
            "detected": np.tile(np.arange(each) % 2 == 1, len(ids)),
        }
    )
    known.to_parquet(folder / f"{name}_objects.parquet")
    rows.to_parquet(folder / f"{name}_observations.parquet")
    return known, rows
