"""The demo's file: objects that the shipped artefact never saw, as one alert an observation, in time order."""

from pathlib import Path

import numpy as np
import pandas as pd

from model.observation import BANDS
from training.dataset import Objects
from training.files import replacing
from training.splits import fold, sample

OBJECTS = 400


def holdout(objects: Objects, seed: int, k: int, size: int = OBJECTS) -> pd.DataFrame:
    """A row an observation of `size` objects of fold k's test part, every class among them, by time over all objects.

    Fluxes are in nJy; `true_class` is the answer, for scoring alone.
    """
    test = fold(objects.ids, objects.labels, seed, k).test
    chosen = objects.take(test[sample(objects.ids[test], objects.labels[test], seed, size)])
    lengths = [len(c) for c in chosen.curves]
    rows = np.concatenate(chosen.curves)
    owner = np.repeat(np.arange(len(chosen)), lengths)
    context, position = chosen.contexts[owner], chosen.positions_deg[owner]
    table = pd.DataFrame(
        {
            "object_id": chosen.ids[owner].astype(str),
            "mjd": rows["mjd_tai"],
            "band": np.array(list(BANDS))[rows["band"]],
            "flux": rows["flux_njy"],
            "flux_err": rows["flux_err_njy"],
            "detected": rows["detected"],
            "ddf": context["ddf"] > 0,
            "hostgal_photoz": context["host_photoz"],
            "hostgal_photoz_err": context["host_photoz_err"],
            "mwebv": context["mwebv"],
            "ra": position[:, 0],
            "dec": position[:, 1],
            "true_class": chosen.labels[owner],
        }
    )
    return table.sort_values(["mjd", "object_id", "band"], kind="stable", ignore_index=True)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table as parquet, zstd. Raises DataError."""
    with replacing(path) as partial:
        table.to_parquet(partial, index=False, compression="zstd")
