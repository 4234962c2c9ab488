"""Labelled light curves that are not PLAsTiCC's, to judge a classifier on: real skies, and other simulations.

A folder holds two parquet tables a set. SET_objects: object_id, class (PLAsTiCC's number, -1 where none fits), redshift
and mwebv (NaN where unknown); redshift_err where the source has one; label `phot` where the class is only a guess from
the light curve itself. SET_observations: object_id, mjd, band, difference flux and flux_err in nJy, detected.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.bounds import BRIGHTEST_NJY, LARGEST_MWEBV, LARGEST_PHOTOZ, LATEST_MJD, SMALLEST_ERROR_NJY
from model.observation import BANDS, OBSERVATION, LightCurve
from model.taxonomy import CLASS_IDS, GALACTIC_CLASSES
from training.dataset import LETTERS, NOTHING_KNOWN, UNKNOWN, Objects
from training.files import Columns, DataError, tables

OBJECTS, OBSERVATIONS = "_objects.parquet", "_observations.parquet"
OBJECT_COLUMNS: Columns = {"object_id": (), "class": (), "redshift": (), "mwebv": ()}
OBSERVATION_COLUMNS: Columns = {"object_id": (), "mjd": (), "band": (), "flux": (), "flux_err": (), "detected": ()}
REDSHIFT_ERROR = 0.02  # x (1 + z): what a spectroscopic redshift is given that stands in for a photo-z
CIRCULAR = "phot"  # a label that was made from the light curve is no answer to judge by
CHUNK_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Sky:
    """A set of light curves."""

    name: str
    objects: Objects  # with all that is known; labels UNKNOWN where none fits or the label is circular

    def without_context(self) -> Objects:
        """The same objects, of which nothing but the light curves is known."""
        return replace(self.objects, contexts=np.full(len(self.objects), NOTHING_KNOWN))


def read_skies(folder: Path) -> list[Sky]:
    """All sets in a folder by name. Raises DataError."""
    names = sorted(path.name.removesuffix(OBJECTS) for path in folder.glob(f"*{OBJECTS}"))
    if not names:
        raise DataError(f"{folder} holds no *{OBJECTS}; name a folder of labelled light curves")
    return [read_sky(folder, name) for name in names]


def read_sky(folder: Path, name: str) -> Sky:
    """One set. Raises DataError."""
    path, other = folder / f"{name}{OBJECTS}", folder / f"{name}{OBSERVATIONS}"
    known = pd.concat(tables(path, OBJECT_COLUMNS, CHUNK_ROWS)).reset_index(drop=True)
    extra = pd.read_parquet(path)
    if known["object_id"].duplicated().any():
        twice = known["object_id"][known["object_id"].duplicated()].iloc[0]
        raise DataError(f"{path}: object {twice} is there twice; keep one row of it")
    rows = pd.concat(tables(other, OBSERVATION_COLUMNS, CHUNK_ROWS))
    ids = known["object_id"].astype(str).to_numpy()
    owner = pd.Index(ids).get_indexer(pd.Index(rows["object_id"].astype(str)))
    if (owner < 0).any():
        raise DataError(f"{other}: object {rows['object_id'][owner < 0].iloc[0]} is not in {path}; mend either table")
    curves = split(observations(rows, other), owner, len(ids))
    if empty := [ids[i] for i, curve in enumerate(curves) if not len(curve)]:
        raise DataError(f"{other}: object {empty[0]} of {path} has no rows; mend either table")
    labels = np.where(known["class"].isin(CLASS_IDS), known["class"], UNKNOWN).astype(np.int64)
    if "label" in extra:
        labels[(extra["label"] == CIRCULAR).to_numpy()] = UNKNOWN
    contexts = context_rows(known, extra, labels, path)
    return Sky(name, Objects(ids, labels, contexts, np.full((len(ids), 2), np.nan), curves))


def observations(rows: pd.DataFrame, path: Path) -> NDArray[np.void]:
    """The rows [M] as observations. Raises DataError where one is none."""
    found = np.empty(len(rows), dtype=OBSERVATION)
    found["mjd_tai"], found["flux_njy"], found["flux_err_njy"] = rows["mjd"], rows["flux"], rows["flux_err"]
    bands = rows["band"].map(LETTERS)
    found["band"] = bands.fillna(len(BANDS)).astype(int)
    found["detected"] = rows["detected"].astype(bool)
    bad = ~rows["mjd"].between(0, LATEST_MJD, inclusive="neither") | bands.isna()
    bad |= ~(rows["flux"].abs() <= BRIGHTEST_NJY) | ~rows["flux_err"].between(SMALLEST_ERROR_NJY, BRIGHTEST_NJY)
    if bad.any():
        first = int(bad.to_numpy().argmax())
        raise DataError(
            f"{path}, row {first}: object {rows['object_id'].iloc[first]} has a time, band, flux or error that cannot "
            "be; remove the row"
        )
    return found


def split(found: NDArray[np.void], owner: NDArray[np.intp], size: int) -> tuple[NDArray[np.void], ...]:
    """Observations [M] of owners [M] as light curves of `size` objects."""
    order = np.argsort(owner, kind="stable")
    places = np.searchsorted(owner[order], np.arange(1, size))
    return tuple(LightCurve.of(curve).observations for curve in np.split(found[order], places))


def context_rows(known: pd.DataFrame, extra: pd.DataFrame, labels: NDArray[np.int64], path: Path) -> NDArray[np.void]:
    """Contexts [N] as a cross-match would give them: of an object of a galactic class that it is in our Galaxy."""
    found = np.full(len(known), NOTHING_KNOWN)
    redshift = known["redshift"].to_numpy(float)
    redshift = np.where(np.isnan(redshift) & np.isin(labels, sorted(GALACTIC_CLASSES)), 0.0, redshift)
    error = np.where(redshift > 0, REDSHIFT_ERROR * (1 + redshift), 0 * redshift)
    if "redshift_err" in extra:
        error = np.where(extra["redshift_err"].notna(), extra["redshift_err"], error)
    mwebv = known["mwebv"].to_numpy(float)
    for name, values, most in (("redshift", redshift, LARGEST_PHOTOZ), ("mwebv", mwebv, LARGEST_MWEBV)):
        if (bad := ~(np.isnan(values) | ((values >= 0) & (values <= most)))).any():
            raise DataError(
                f"{path}: object {known['object_id'][bad].iloc[0]} has a {name} outside 0 to {most:g}; mend it"
            )
    found["host_photoz"], found["host_photoz_err"], found["mwebv"] = redshift, error, mwebv
    return found
