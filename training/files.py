"""CSV and parquet tables in chunks, their columns under our names; what cannot be read is one sentence.

CSV files may be compressed (.gz), as Zenodo's are, and padded with spaces, as its metadata are.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Columns = Mapping[str, tuple[str, ...]]  # our names, and what else a column may be called
UNREADABLE = (ValueError, EOFError, OSError, zlib.error, pa.ArrowException)  # of damaged files
KAGGLE, ZENODO = "_metadata", ("lightcurves", "metadata")


class DataError(ValueError):
    """A table cannot be used; the message names the file, the line and the remedy."""


def tables(path: Path, columns: Columns, chunk_rows: int, optional: str | None = None) -> Iterator[pd.DataFrame]:
    """The chunks of a table: numbers under our names, NaN for what is no number; indexed by row from 0 on.

    Args:
        path: of the file, parquet by its ending, else CSV.
        columns: that must be there.
        chunk_rows: rows of a chunk at most.
        optional: a column that comes along where it is there.

    Raises:
        DataError: the file is missing, empty or damaged, or a column is not in it.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there; run `misweeper-train fetch`, or name another file")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; fetch or export it again")
    empty = True
    try:
        names = spelled(columns, header(path), path)
        for chunk in chunks(path, [*names, *([optional] if optional in header(path) else [])], chunk_rows):
            if len(chunk):
                empty = False
                yield chunk.rename(columns=names).apply(pd.to_numeric, errors="coerce")
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{path} is damaged or cut off ({error}); fetch or export it again") from error
    if empty:
        raise DataError(f"{path} has a header and no rows; fetch or export it again")


def spelled(columns: Columns, head: list[str], path: Path) -> dict[str, str]:
    """Our name for each column under the name that the file has for it. Raises DataError."""
    names = {}
    for name, others in columns.items():
        found = next((n for n in (name, *others) if n in head), None)
        if found is None:
            raise DataError(
                f"{path}, line 1: there is no column {' or '.join((name, *others))}, only {', '.join(head)}; "
                "export it with this column, or rename yours"
            )
        names[found] = name
    return names


def header(path: Path) -> list[str]:
    """The names of a table's columns."""
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    return list(pd.read_csv(path, skipinitialspace=True, nrows=0).columns)


def chunks(path: Path, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """The table in pieces, numbered through."""
    if path.suffix != ".parquet":
        with pd.read_csv(path, skipinitialspace=True, usecols=columns, chunksize=rows) as reader:
            yield from reader
        return
    done = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows, columns=columns):
            yield batch.to_pandas().set_index(pd.RangeIndex(done, done + len(batch)))
            done += len(batch)


def metadata_beside(curves: Path) -> Path:
    """The metadata that belong to a file of light curves, by Kaggle's or Zenodo's names. Raises DataError.

    test_set.csv has test_set_metadata.csv; plasticc_test_lightcurves_03.csv.gz has plasticc_test_metadata.csv.gz.
    """
    stem, _, ending = curves.name.partition(".")
    words = stem.replace(*ZENODO)
    candidates = [f"{stem}{KAGGLE}", *([words, words.rstrip("0123456789_")] if words != stem else [])]
    for name in candidates:
        if (found := curves.with_name(f"{name}.{ending}")).is_file():
            return found
    looked = ", ".join(f"{name}.{ending}" for name in candidates)
    raise DataError(f"{curves}: there are no metadata beside it ({looked}); name them by --metadata")
