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
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.features import CONTEXT
from model.observation import BANDS, FLUXCAL_NJY, OBSERVATION, LightCurve

CHUNK_ROWS = 500_000
CURVE_COLUMNS = {"object_id": (), "mjd": (), "passband": (), "flux": (), "flux_err": (), "detected": ("detected_bool",)}
METADATA_COLUMNS = {
    "object_id": (), "ra": (), "decl": (), "ddf": ("ddf_bool",),
    "hostgal_photoz": (), "hostgal_photoz_err": (), "mwebv": (),
}  # fmt: skip
UNKNOWN = 0  # the label of an object whose class nobody says


class DataError(ValueError):
    """A table cannot be used; the message names the file, the line and the remedy."""


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
    return assemble(rows.sort_values("object_id", kind="stable"), known, curves, metadata)


def stream(curves: Path, metadata: Path, chunk_rows: int = CHUNK_ROWS) -> Iterator[Objects]:
    """Blocks of whole objects, in bounded memory: an object cut by a chunk's edge waits for its rest (old bug 6).

    An object's rows must stand together, as they do in all releases.

    Raises:
        DataError: as `read` does, and where an object's rows stand apart.
    """
    known = read_metadata(metadata, "target")
    done = np.zeros(len(known), dtype=bool)
    rest: pd.DataFrame | None = None
    for table in tables(curves, CURVE_COLUMNS, chunk_rows):
        rows = table if rest is None else pd.concat([rest, table])
        last = rows["object_id"] == rows["object_id"].iloc[-1]
        split = len(rows) - int(last.to_numpy()[::-1].argmin() if not last.all() else len(rows))
        rest = rows.iloc[split:]
        if split:
            yield once(assemble(rows.iloc[:split], known, curves, metadata, whole=False), known, done, curves)
    if rest is not None:
        yield once(assemble(rest, known, curves, metadata, whole=False), known, done, curves)


def once(objects: Objects, known: pd.DataFrame, done: NDArray[np.bool_], path: Path) -> Objects:
    """The objects, marked as done. Raises DataError where one was done before."""
    at = known.index.get_indexer(pd.Index(objects.ids))
    if done[at].any():
        raise DataError(
            f"{path}: the rows of object {objects.ids[done[at]][0]} stand apart; sort the file by object_id"
        )
    done[at] = True
    return objects


def read_metadata(path: Path, label: str) -> pd.DataFrame:
    """The metadata by object_id, with a column `label`. Raises DataError."""
    known = pd.concat(list(tables(path, METADATA_COLUMNS, CHUNK_ROWS, optional=label)))
    known = known.rename(columns={label: "label"}).assign(**({} if label in known else {"label": UNKNOWN}))
    twice = known["object_id"].duplicated()
    if twice.any():
        raise DataError(f"{path}: object {known['object_id'][twice].iloc[0]} is there twice; keep one row of it")
    return known.set_index("object_id")


def tables(
    path: Path, columns: dict[str, tuple[str, ...]], chunk_rows: int, optional: str | None = None
) -> Iterator[pd.DataFrame]:
    """The chunks of a CSV or parquet table, its columns under our names. Raises DataError."""
    if not path.is_file():
        raise DataError(f"{path} is not there; run `misweeper-train fetch`")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; fetch or export it again")
    head = pq.read_schema(path).names if path.suffix == ".parquet" else list(csv(path, nrows=0).columns)
    names = {}
    for name, others in columns.items():
        spelled = next((n for n in (name, *others) if n in head), None)
        if spelled is None:
            raise DataError(f"{path}: there is no column {' or '.join((name, *others))}, only {', '.join(head)}")
        names[spelled] = name
    wanted = [*names, *([optional] if optional and optional in head else [])]
    empty = True
    try:
        for chunk in chunks(path, wanted, chunk_rows):
            if len(chunk) == 0:
                continue
            empty = False
            yield chunk.rename(columns=names).apply(pd.to_numeric, errors="coerce")
    except (ValueError, pd.errors.ParserError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged ({error}); fetch or export it again") from error
    if empty:
        raise DataError(f"{path} has a header and no rows; fetch or export it again")


def chunks(path: Path, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """The table in pieces, numbered through."""
    if path.suffix != ".parquet":
        with csv(path, usecols=columns, chunksize=rows) as reader:
            yield from reader
        return
    done = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows, columns=columns):
            yield batch.to_pandas().set_index(pd.RangeIndex(done, done + len(batch)))
            done += len(batch)


def csv(path: Path, **options: Any) -> Any:  # noqa: ANN401 - a table or an iterator of tables, as the options say
    """pandas.read_csv for PLAsTiCC: metadata are padded with spaces."""
    return pd.read_csv(path, skipinitialspace=True, **options)


def assemble(rows: pd.DataFrame, known: pd.DataFrame, path: Path, metadata: Path, *, whole: bool = True) -> Objects:
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
    at = known.index.get_indexer(pd.Index(unique))
    if (at < 0).any():
        raise DataError(
            f"{metadata}: object {unique[at < 0][0]} of {path.name} is not in it; the two files do not match"
        )
    if whole and len(unique) != len(known):
        lost = known.index.difference(pd.Index(unique))[0]
        raise DataError(
            f"{path}: object {lost} of {metadata.name} has no rows; the download is cut off, fetch it again"
        )
    meta = known.iloc[at]
    context = np.empty(len(unique), dtype=CONTEXT)
    context["host_photoz"] = meta["hostgal_photoz"]
    context["host_photoz_err"] = meta["hostgal_photoz_err"]
    context["mwebv"] = meta["mwebv"]
    context["ddf"] = meta["ddf"].fillna(-1).astype(int)
    curves = tuple(LightCurve.of(c).observations for c in np.split(observations, starts[1:]))
    return Objects(unique, meta["label"].to_numpy(np.int64), context, meta[["ra", "decl"]].to_numpy(np.float64), curves)


def check(rows: pd.DataFrame, path: Path) -> None:
    """Raise DataError at the first impossible value; lines are those of a text editor."""
    for bad, why, remedy in (
        (~np.isfinite(rows["object_id"]), "no number", "the file is damaged there, fetch or export it again"),
        (~np.isfinite(rows["mjd"]) | (rows["mjd"] <= 0), "an mjd that is no time", "remove the row"),
        (~np.isfinite(rows["flux"]), "a flux that is no number", "remove the row"),
        (
            ~np.isfinite(rows["flux_err"]) | (rows["flux_err"] <= 0),
            "an error not above 0 or infinite",
            "remove the row",
        ),
        (~rows["passband"].isin(range(len(BANDS))), "an unknown passband", "use 0 to 5 for u g r i z y"),
        (~rows["detected"].isin([0, 1]), "a detected flag other than 0 or 1", "use 0 or 1"),
    ):
        if bad.any():
            first = rows.loc[bad].iloc[0]
            line = int(rows.index.to_numpy()[bad.to_numpy().argmax()]) + 2
            raise DataError(f"{path}, line {line}: object {first['object_id']:.0f} has {why}; {remedy}")
