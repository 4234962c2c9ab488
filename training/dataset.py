"""PLAsTiCC's tables to light curves, a block of whole objects at a time.

Both spellings of the columns are read: Kaggle's `ddf`, `detected` and Zenodo's `ddf_bool`, `detected_bool`. Fluxes
become nJy, rounded to float32, which is what an alert carries: training sees the numbers that serving sees (law 9).
The `true_*` columns and the spectroscopic redshift are answers, and are never read as inputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.features import CONTEXT
from model.observation import BANDS, FLUXCAL_NJY, OBSERVATION, LightCurve
from training.files import DataError, tables

CHUNK_ROWS = 500_000
CURVE_COLUMNS = {"object_id": (), "mjd": (), "passband": (), "flux": (), "flux_err": (), "detected": ("detected_bool",)}
METADATA_COLUMNS = {
    "object_id": (), "ra": (), "decl": (), "ddf": ("ddf_bool",),
    "hostgal_photoz": (), "hostgal_photoz_err": (), "mwebv": (),
}  # fmt: skip
UNKNOWN = 0  # the label of an object whose class nobody says


@dataclass(frozen=True, slots=True)
class Objects:
    """N objects by object_id: their light curves, their context, their class."""

    ids: NDArray[np.int64]  # [N]
    labels: NDArray[np.int64]  # [N], PLAsTiCC class numbers, UNKNOWN where not given
    contexts: NDArray[np.void]  # [N] of dtype CONTEXT
    positions_deg: NDArray[np.float64]  # [N, 2]: right ascension, declination
    curves: tuple[NDArray[np.void], ...]  # N arrays [n_i] of dtype OBSERVATION, by time

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.integer]) -> "Objects":
        """The objects of these rows, in this order."""
        curves = tuple(self.curves[i] for i in rows)
        return Objects(self.ids[rows], self.labels[rows], self.contexts[rows], self.positions_deg[rows], curves)


@dataclass(frozen=True, slots=True)
class Known:
    """The metadata of N objects by object_id, and the file they are from."""

    path: Path
    ids: NDArray[np.int64]  # [N], ascending
    labels: NDArray[np.int64]  # [N]
    contexts: NDArray[np.void]  # [N] of dtype CONTEXT
    positions_deg: NDArray[np.float64]  # [N, 2]


def read(curves: Path, metadata: Path, label: str = "target") -> Objects:
    """All objects of two tables, in memory, by object_id; rows may be in any order.

    Args:
        curves: the light curves' CSV or parquet file.
        metadata: the objects' CSV or parquet file.
        label: the metadata's column of class numbers; classes are UNKNOWN where it is not there.

    Raises:
        DataError: a column is missing, a value impossible, or an object in one table only.
    """
    known = read_metadata(metadata, label)
    rows = pd.concat(list(tables(curves, CURVE_COLUMNS, CHUNK_ROWS)))
    objects = assemble(rows.sort_values("object_id", kind="stable"), known, curves)
    if len(objects) != len(known.ids):
        lost = np.setdiff1d(known.ids, objects.ids)[0]
        raise DataError(f"{curves}: object {lost} of {metadata} has no rows; the file is cut off, fetch it again")
    return objects


def stream(curves: Path, known: Known, chunk_rows: int = CHUNK_ROWS) -> Iterator[Objects]:
    """Blocks of whole objects, in bounded memory: an object cut by a chunk's edge waits for its rest (old bug 6).

    An object's rows must stand together, as they do in all releases. Metadata may hold objects that have no rows: the
    test set's light curves come in eleven files.

    Raises:
        DataError: as `read` does, and where an object's rows stand apart.
    """
    done = np.zeros(len(known.ids), dtype=bool)
    rest: pd.DataFrame | None = None
    for table in tables(curves, CURVE_COLUMNS, chunk_rows):
        rows = table if rest is None else pd.concat([rest, table])
        last = rows["object_id"] == rows["object_id"].iloc[-1]
        split = len(rows) - int(last.to_numpy()[::-1].argmin() if not last.all() else len(rows))
        rest = rows.iloc[split:]
        if split:
            yield block(rows.iloc[:split], known, done, curves)
    if rest is not None:
        yield block(rest, known, done, curves)


def block(rows: pd.DataFrame, known: Known, done: NDArray[np.bool_], path: Path) -> Objects:
    """The objects of these rows, marked as done. Raises DataError where one was done before."""
    objects = assemble(rows, known, path)
    at = np.searchsorted(known.ids, objects.ids)
    again = done[at]
    again[np.setdiff1d(np.arange(len(at)), np.unique(at, return_index=True)[1])] = True
    if again.any():
        name = objects.ids[again][0]
        own = np.flatnonzero(rows["object_id"].to_numpy() == name)
        apart = own[0] if done[at[again][0]] else own[np.flatnonzero(np.diff(own) > 1)[0] + 1]
        raise DataError(
            f"{path}, line {rows.index[apart] + 2}: rows of object {name} stand apart from its others; "
            "sort the file by object_id"
        )
    done[at] = True
    return objects


def read_metadata(path: Path, label: str = "target") -> Known:
    """The metadata of all objects, 49 bytes each. Raises DataError."""
    parts = [metadata_of(rows, path, label) for rows in tables(path, METADATA_COLUMNS, CHUNK_ROWS, optional=label)]
    ids, labels, contexts, positions = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        line = order[twice[0] + 1] + 2
        raise DataError(f"{path}, line {line}: object {ids[order][twice[0]]} is there twice; keep one row of it")
    return Known(path, ids[order], labels[order], contexts[order], positions[order])


def metadata_of(rows: pd.DataFrame, path: Path, label: str) -> tuple[NDArray[Any], ...]:
    """Ids, labels, contexts and positions of these rows; an empty redshift, mwebv or ddf is one nobody knows."""
    refuse(rows, ~np.isfinite(rows["object_id"]), path, "no object_id", "the file is damaged there, fetch it again")
    refuse(rows, ~rows["ddf"].isin([0, 1, np.nan]), path, "a ddf other than 0 or 1", "use 0 or 1, or leave it empty")
    context = np.empty(len(rows), dtype=CONTEXT)
    context["host_photoz"] = rows["hostgal_photoz"]
    context["host_photoz_err"] = rows["hostgal_photoz_err"]
    context["mwebv"] = rows["mwebv"]
    context["ddf"] = rows["ddf"].fillna(-1).astype(int)
    labels = rows[label].fillna(UNKNOWN) if label in rows else pd.Series(UNKNOWN, rows.index)
    return (
        rows["object_id"].to_numpy(np.int64),
        labels.to_numpy(np.int64),
        context,
        rows[["ra", "decl"]].to_numpy(np.float64),
    )


def assemble(rows: pd.DataFrame, known: Known, path: Path) -> Objects:
    """Objects of rows that stand together by object. Raises DataError."""
    check(rows, path)
    ids = rows["object_id"].to_numpy(np.int64)
    observations = np.empty(len(rows), dtype=OBSERVATION)
    observations["mjd_tai"] = rows["mjd"]
    observations["flux_njy"] = rows["flux"] * FLUXCAL_NJY
    observations["flux_err_njy"] = rows["flux_err"] * FLUXCAL_NJY
    observations["band"] = rows["passband"]
    observations["detected"] = rows["detected"].astype(bool)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    unique = ids[starts]
    at = np.searchsorted(known.ids, unique).clip(max=len(known.ids) - 1)
    if (strange := known.ids[at] != unique).any():
        line = rows.index[starts[strange][0]] + 2
        raise DataError(
            f"{path}, line {line}: object {unique[strange][0]} is not in {known.path}; "
            "name the metadata that belong to these light curves"
        )
    curves = tuple(LightCurve.of(c).observations for c in np.split(observations, starts[1:]))
    return Objects(unique, known.labels[at], known.contexts[at], known.positions_deg[at], curves)


def check(rows: pd.DataFrame, path: Path) -> None:
    """Raise DataError at the first impossible value; lines are those of a text editor."""
    for column in CURVE_COLUMNS:
        remedy = "remove the row, or fetch the file again if it ends there"
        refuse(rows, rows[column].isna(), path, f"no number as its {column}", remedy)
    refuse(rows, ~np.isfinite(rows["mjd"]) | (rows["mjd"] <= 0), path, "an mjd that is no time", "remove the row")
    refuse(rows, ~np.isfinite(rows["flux"]), path, "an infinite flux", "remove the row")
    error = rows["flux_err"]
    refuse(rows, ~np.isfinite(error) | (error <= 0), path, "an error not above 0 or infinite", "remove the row")
    bands = range(len(BANDS))
    refuse(rows, ~rows["passband"].isin(bands), path, "an unknown passband", "use 0 to 5 for u g r i z y")
    refuse(rows, ~rows["detected"].isin([0, 1]), path, "a detected flag other than 0 or 1", "use 0 or 1")


def refuse(rows: pd.DataFrame, bad: "pd.Series[bool]", path: Path, why: str, remedy: str) -> None:
    """Raise DataError where a row is bad."""
    if bad.any():
        first = int(bad.to_numpy().argmax())
        name = rows["object_id"].iloc[first]
        raise DataError(f"{path}, line {rows.index[first] + 2}: object {name:.0f} has {why}; {remedy}")
