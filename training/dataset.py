"""PLAsTiCC's tables to light curves, a block of whole objects at a time.

Both spellings of the columns are read: Kaggle's `ddf`, `detected` and Zenodo's `ddf_bool`, `detected_bool`. Fluxes
become nJy, rounded to float32, which is what an alert carries: training sees the numbers that serving sees (law 9).
The `true_*` columns and the spectroscopic redshift are answers, and are never read as inputs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.bounds import (
    BRIGHTEST_NJY,
    LARGEST_MWEBV,
    LARGEST_PHOTOZ,
    LATEST_MJD,
    SMALLEST_ERROR_NJY,
    UNKNOWN_PHOTOZ,
    time_unit,
)
from model.features import CONTEXT
from model.observation import BANDS, FLUXCAL_NJY, OBSERVATION, LightCurve
from model.taxonomy import CLASS_IDS
from training.files import DataError, flags, numbers, tables

CHUNK_ROWS = 500_000
CURVE_COLUMNS = {
    "object_id": (), "mjd": (), "passband": ("band",), "flux": (), "flux_err": (), "detected": ("detected_bool",),
}  # fmt: skip
METADATA_COLUMNS = {
    "object_id": (), "ra": (), "decl": (), "ddf": ("ddf_bool",),
    "hostgal_photoz": (), "hostgal_photoz_err": (), "mwebv": (),
}  # fmt: skip
FLAGS = ("detected", "ddf")
RANGES = {  # of the metadata, where they are known
    "ra": (0.0, 360.0), "decl": (-90.0, 90.0),
    "hostgal_photoz": (0.0, LARGEST_PHOTOZ), "hostgal_photoz_err": (0.0, LARGEST_PHOTOZ), "mwebv": (0.0, LARGEST_MWEBV),
}  # fmt: skip
LETTERS = {letter: number for number, letter in enumerate(BANDS)} | {"Y": BANDS.index("y")}
LARGEST_FLOAT = 2.0**53  # beyond, a number that was once a float may be another
NO_ID = "an object_id that is no whole number"
LONGEST_SHOWN = 60  # characters of a name in a message
NOTHING_KNOWN = np.array((np.nan, np.nan, np.nan, -1), dtype=CONTEXT)
UNKNOWN = 0  # the label of an object whose class nobody says, or is none of the 14


@dataclass(frozen=True, slots=True)
class Objects:
    """N objects by object_id: their light curves, their context, their class."""

    ids: NDArray[Any]  # [N], numbers; of `stream` their text, UTF-8
    labels: NDArray[np.int64]  # [N], PLAsTiCC class numbers, UNKNOWN where it is none of the 14
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
    ids: NDArray[np.bytes_]  # [N], UTF-8, ascending
    labels: NDArray[np.int64]  # [N]
    contexts: NDArray[np.void]  # [N] of dtype CONTEXT
    positions_deg: NDArray[np.float64]  # [N, 2]
    unknown_photoz: int = 0  # objects whose photo-z was written as -9


def read(curves: Path, metadata: Path, label: str = "target") -> Objects:
    """All objects of two tables, in memory, by object_id; rows may be in any order.

    Args:
        curves: the light curves' CSV or parquet file.
        metadata: the objects' CSV or parquet file.
        label: the metadata's column of class numbers, UNKNOWN where it is not there or holds none of the 14.

    Raises:
        DataError: a column is missing, a value impossible, or an object in one table only.
    """
    known = read_metadata(metadata, label)
    rows = pd.concat([named(chunk, curves) for chunk in tables(curves, CURVE_COLUMNS, CHUNK_ROWS)])
    objects = assemble(rows.sort_values("object_id", kind="stable"), known, curves)
    if len(objects) != len(known.ids):
        lost = np.setdiff1d(known.ids, objects.ids)[0].decode()
        raise DataError(f"{curves}: object {lost} of {metadata} has no rows; the file is cut off, fetch it again")
    try:
        numbered = objects.ids.astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{curves}: to train on, objects need numbers as their object_id ({error})") from error
    return replace(objects, ids=numbered).take(np.argsort(numbered))


def stream(curves: Path, known: Known, chunk_rows: int = CHUNK_ROWS) -> Iterator[Objects]:
    """Blocks of whole objects, in bounded memory: an object cut by a chunk's edge waits for its rest (old bug 6).

    An object's rows must stand together, as they do in all releases. Metadata may hold objects that have no rows: the
    test set's light curves come in eleven files.

    Raises:
        DataError: as `read` does, and where an object's rows stand apart.
    """
    done = np.zeros(len(known.ids), dtype=bool)
    rest: pd.DataFrame | None = None
    for chunk in tables(curves, CURVE_COLUMNS, chunk_rows):
        table = named(chunk, curves)
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
        name = objects.ids[again][0].decode()
        own = np.flatnonzero(rows["object_id"].to_numpy() == name)
        apart = own[0] if done[at[again][0]] else own[np.flatnonzero(np.diff(own) > 1)[0] + 1]
        raise DataError(
            f"{path}, line {rows.index[apart] + 2}: rows of object {name} stand apart from its others; "
            "sort the file by object_id"
        )
    done[at] = True
    return objects


def read_metadata(path: Path, label: str = "target") -> Known:
    """The metadata of all objects, some 50 bytes each. Raises DataError."""
    chunks = [named(rows, path) for rows in tables(path, METADATA_COLUMNS, CHUNK_ROWS, optional=label)]
    parts = [metadata_of(rows, path, label) for rows in chunks]
    lines = np.concatenate([rows.index.to_numpy() for rows in chunks]) + 2
    ids, labels, contexts, positions = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(twice):
        line = lines[order[twice[0] + 1]]
        raise DataError(
            f"{path}, line {line}: object {ids[order][twice[0]].decode()} is there twice; keep one row of it"
        )
    unknown = sum(int((numbers(rows["hostgal_photoz"]) == UNKNOWN_PHOTOZ).sum()) for rows in chunks)
    return Known(path, ids[order], labels[order], contexts[order], positions[order], unknown)


def named(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The same rows, the objects named by text. A whole number is written without a point. Raises DataError."""
    ids = rows["object_id"]
    remedy = "the file is damaged there, fetch it again"
    refuse(rows, ids.isna(), path, "no object_id", remedy)
    if pd.api.types.is_float_dtype(ids):
        refuse(rows, (ids % 1 != 0) | (ids.abs() > LARGEST_FLOAT), path, NO_ID, "write whole numbers, or names")
        ids = ids.astype(np.int64)
    text = ids.astype(str).str.strip()
    broken = text.str.fullmatch(r"[+-]?(\d+\.\d*|\.\d+|\d+(\.\d*)?[eE][+-]?\d+)")
    if broken.any():
        whole = text.str.fullmatch(r"[+-]?\d+\.0*")
        refuse(rows, broken & ~whole, path, NO_ID, "write whole numbers in full, or names")
        text = text.where(~whole, text.str.partition(".")[0])
    refuse(rows, text == "", path, "no object_id", remedy)
    return rows.assign(object_id=text)


def metadata_of(rows: pd.DataFrame, path: Path, label: str) -> tuple[NDArray[Any], ...]:
    """Ids, labels, contexts and positions of these rows; an empty redshift, mwebv or ddf is one nobody knows."""
    columns = values_of(rows, METADATA_COLUMNS)
    for name, values in columns.items():
        given = rows[name].notna() & (rows[name].astype(str).str.strip().str.lower() != "nan")
        refuse(rows, values.isna() & given, path, f"no number as its {name}", "mend it, or leave it empty")
    for name in ("hostgal_photoz", "hostgal_photoz_err"):
        columns[name] = columns[name].where(columns[name] != UNKNOWN_PHOTOZ)
    refuse(rows, ~columns["ddf"].isin([0, 1, np.nan]), path, "a ddf other than 0 or 1", "use 0 or 1, or leave it empty")
    for name, (low, high) in RANGES.items():
        bad = ~columns[name].between(low, high) & columns[name].notna()
        unknown = " (-9 is read as unknown)" if "photoz" in name else ""
        refuse(rows, bad, path, f"a {name} outside {low:g} to {high:g}{unknown}", "mend it, or leave it empty")
    context = np.empty(len(rows), dtype=CONTEXT)
    context["host_photoz"] = columns["hostgal_photoz"]
    context["host_photoz_err"] = columns["hostgal_photoz_err"]
    context["mwebv"] = columns["mwebv"]
    context["ddf"] = columns["ddf"].fillna(-1).astype(int)
    labels = numbers(rows[label]) if label in rows else pd.Series(UNKNOWN, rows.index)
    return (
        encoded(rows["object_id"]),
        labels.where(labels.isin(CLASS_IDS), UNKNOWN).to_numpy(np.int64),
        context,
        np.stack([columns["ra"], columns["decl"]], axis=1),
    )


def values_of(rows: pd.DataFrame, names: Iterable[str]) -> dict[str, "pd.Series[float]"]:
    """The numbers in these columns, but for the object's name."""
    return {n: (flags if n in FLAGS else numbers)(rows[n]) for n in names if n != "object_id"}


def encoded(names: "pd.Series[str]") -> NDArray[np.bytes_]:
    """Texts [n] as UTF-8."""
    return np.array([name.encode() for name in names], dtype=np.bytes_)


def assemble(rows: pd.DataFrame, known: Known, path: Path) -> Objects:
    """Objects of rows that stand together by object. Raises DataError."""
    columns = checked(rows, path)
    names = rows["object_id"].to_numpy()
    observations = np.empty(len(rows), dtype=OBSERVATION)
    observations["mjd_tai"] = columns["mjd"]
    observations["flux_njy"] = columns["flux"] * FLUXCAL_NJY
    observations["flux_err_njy"] = columns["flux_err"] * FLUXCAL_NJY
    observations["band"] = columns["passband"]
    observations["detected"] = columns["detected"].astype(bool)
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
    unique = encoded(rows["object_id"].iloc[starts])
    at = np.searchsorted(known.ids, unique).clip(max=len(known.ids) - 1)
    if (strange := known.ids[at] != unique).any():
        line = rows.index[starts[strange][0]] + 2
        raise DataError(
            f"{path}, line {line}: object {unique[strange][0].decode()} is not in {known.path}; "
            "name the metadata that belong to these light curves"
        )
    curves = tuple(LightCurve.of(c).observations for c in np.split(observations, starts[1:]))
    return Objects(unique, known.labels[at], known.contexts[at], known.positions_deg[at], curves)


def checked(rows: pd.DataFrame, path: Path) -> dict[str, "pd.Series[float]"]:
    """The numbers of light curves. Raises DataError at the first impossible value; lines are those of a text editor."""
    columns = values_of(rows, CURVE_COLUMNS)
    letters = columns["passband"].isna()
    if letters.any():
        columns["passband"].update(
            rows["passband"][letters].astype(str).str.strip().map(LETTERS).dropna().astype(float)
        )
    for name, values in columns.items():
        if name != "passband":
            remedy = "remove the row, or fetch the file again if it ends there"
            refuse(rows, values.isna(), path, f"no number as its {name}", remedy)
    mjd, flux, error = columns["mjd"], columns["flux"] * FLUXCAL_NJY, columns["flux_err"] * FLUXCAL_NJY
    if (bad := ~mjd.between(0, LATEST_MJD, inclusive="neither")).any():
        refuse(rows, bad, path, "an mjd that is no time", time_unit(float(mjd[bad].iloc[0])))
    brightest, smallest = BRIGHTEST_NJY / FLUXCAL_NJY, SMALLEST_ERROR_NJY / FLUXCAL_NJY
    refuse(rows, ~(flux.abs() <= BRIGHTEST_NJY), path, f"a flux beyond {brightest:.3g}", "remove the row")
    bad = ~error.between(SMALLEST_ERROR_NJY, BRIGHTEST_NJY)
    refuse(rows, bad, path, f"an error outside {smallest:.3g} to {brightest:.3g}", "remove the row")
    bad = ~columns["passband"].isin(range(len(BANDS)))
    refuse(rows, bad, path, "an unknown passband", "use 0 to 5, or u g r i z y")
    refuse(rows, ~columns["detected"].isin([0, 1]), path, "a detected flag other than 0 or 1", "use 0 or 1")
    return columns


def refuse(rows: pd.DataFrame, bad: "pd.Series[bool]", path: Path, why: str, remedy: str) -> None:
    """Raise DataError where a row is bad."""
    if bad.any():
        first = int(bad.to_numpy().argmax())
        name = ascii(str(rows["object_id"].iloc[first]))[1:-1][:LONGEST_SHOWN]
        raise DataError(f"{path}, line {rows.index[first] + 2}: object {name} has {why}; {remedy}")
