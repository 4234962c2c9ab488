"""Tiny data in PLAsTiCC's form, made in the test."""

from pathlib import Path

import numpy as np
import pandas as pd

from model.features import CONTEXT
from model.observation import OBSERVATION
from model.taxonomy import CLASSES
from training.dataset import Objects


def objects(per_class: int = 6, seed: int = 0) -> Objects:
    """Objects of all 14 classes; a class shows in its fluxes, so that a network can learn it."""
    rng = np.random.default_rng(seed)
    curves, labels, contexts = [], [], []
    for place, known in enumerate(CLASSES):
        for _ in range(per_class):
            curve = np.zeros(rng.integers(6, 14), dtype=OBSERVATION)
            curve["mjd_tai"] = 60_000 + np.cumsum(rng.uniform(0.5, 8, len(curve)))
            curve["flux_njy"] = 300 * (place + 1) + rng.normal(0, 40, len(curve))
            curve["flux_err_njy"] = rng.uniform(20, 40, len(curve))
            curve["band"] = rng.integers(0, 6, len(curve))
            curve["detected"] = np.arange(len(curve)) > 1
            curves.append(curve)
            labels.append(known.plasticc_id)
            z = 0.0 if known.galactic else rng.uniform(0.05, 1)
            contexts.append((z, 0.02 * (z > 0), rng.uniform(0, 0.2), rng.integers(0, 2)))
    return Objects(
        ids=np.arange(100, 100 + len(labels), dtype=np.int64),
        labels=np.array(labels, dtype=np.int64),
        contexts=np.array(contexts, dtype=CONTEXT),
        positions_deg=rng.uniform(0, 90, (len(labels), 2)),
        curves=tuple(curves),
    )


def tables(
    *, zenodo: bool = False, ids: tuple[int, ...] = (3, 5, 9), each: int = 4
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Light curves and metadata with Kaggle's or Zenodo's column names."""
    rows = [
        {
            "object_id": i, "mjd": 59_750.0 + n, "passband": n % 6, "flux": 10.0 * i + n, "flux_err": 1.5,
            "detected_bool" if zenodo else "detected": n % 2,
        }
        for i in ids
        for n in range(each)
    ]  # fmt: skip
    metadata = pd.DataFrame(
        {
            "object_id": ids, "ra": 10.0, "decl": -20.0, "ddf_bool" if zenodo else "ddf": 1, "hostgal_specz": 0.5,
            "hostgal_photoz": 0.4, "hostgal_photoz_err": 0.05, "distmod": 41.0, "mwebv": 0.1, "target": 90,
            "true_target": 42,
        }
    )  # fmt: skip
    return pd.DataFrame(rows), metadata


def write(folder: Path, curves: pd.DataFrame, metadata: pd.DataFrame) -> tuple[Path, Path]:
    """Both tables as CSV files."""
    paths = folder / "curves.csv", folder / "metadata.csv"
    curves.to_csv(paths[0], index=False)
    metadata.to_csv(paths[1], index=False)
    return paths
