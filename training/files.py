"""CSV and parquet tables in chunks, their columns under our names; what cannot be read is one sentence.

CSV files may be compressed (.gz), as Zenodo's are, and padded with spaces, as its metadata are.
"""

import bz2
import gzip
import io
import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, EIO, EISDIR, ENOSPC, EROFS
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from training.lines import CheckedLines, RowError

Columns = Mapping[str, tuple[str, ...]]  # our names, and what else a column may be called
UNREADABLE = (
    ValueError,
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    pa.ArrowException,
)  # of damaged files
ENCODING = "utf-8-sig"  # a mark at the beginning, as spreadsheets leave it, is no part of a name
SEPARATORS = {";": ";", "\t": "tabs", "|": "|"}
WORDS = {"true": 1.0, "false": 0.0}
UNPACK: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
FULL = {ENOSPC, EDQUOT, EFBIG, EIO, EROFS}
KAGGLE, ZENODO = "_metadata", ("lightcurves", "metadata")


class DataError(ValueError):
    """A table cannot be used; the message names the file, the line and the remedy."""


def tables(path: Path, columns: Columns, chunk_rows: int, optional: str | None = None) -> Iterator[pd.DataFrame]:
    """The chunks of a table: text or numbers under our names, as the file has them; indexed by row from 0 on.

    Blank lines are left out, and counted: the index of a row is that of its line.

    Args:
        path: of the file, parquet by its ending, else CSV.
        columns: that must be there.
        chunk_rows: rows of a chunk at most.
        optional: a column that comes along where it is there.

    Raises:
        DataError: the file is missing, empty or damaged, or a column is not in it, or is there twice.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there; run `misweeper-train fetch`, or name another file")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; fetch or export it again")
    empty = True
    try:
        head = header(path)
        names = spelled(columns, head, path)
        for chunk in chunks(path, [*names, *([optional] if optional in head else [])], chunk_rows):
            if len(chunk):
                empty = False
                yield chunk.rename(columns=names)
    except DataError:
        raise
    except RowError as error:
        raise DataError(f"{path}, {error}") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}, line 1: there is no header, nothing but blank; fetch or export it again") from error
    except UNREADABLE as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path} is damaged or cut off ({reason}); fetch or export it again") from error
    if empty:
        raise DataError(f"{path} has a header and no rows; fetch or export it again")


def spelled(columns: Columns, head: list[str], path: Path) -> dict[str, str]:
    """Our name for each column under the name that the file has for it. Raises DataError."""
    if len(head) == 1:
        for mark, name in SEPARATORS.items():
            if mark in head[0]:
                raise DataError(f"{path}, line 1: the columns are separated by {name}; export it with commas")
    names = {}
    for name, others in columns.items():
        found = [n for n in head if n in (name, *others)]
        if not found:
            raise DataError(
                f"{path}, line 1: there is no column {' or '.join((name, *others))}, only {', '.join(head)}; "
                "export it with this column, or rename yours"
            )
        if len(found) > 1:
            raise DataError(f"{path}, line 1: {' and '.join(found)} are one column's names; keep one of them")
        names[found[0]] = name
    return names


def header(path: Path) -> list[str]:
    """The names of a table's columns."""
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with opened(path) as file:
        first = pd.read_csv(
            io.BufferedReader(CheckedLines(file)),
            header=None,
            nrows=1,
            dtype=str,
            skipinitialspace=True,
            encoding=ENCODING,
        )
    return [str(name).strip() for name in first.iloc[0]]


def opened(path: Path) -> IO[bytes]:
    """A CSV file's bytes, unpacked; of a zip archive those of its only file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DataError(f"{path} holds {len(names)} files; unpack it, and name one of them")
            return archive.open(names[0])
    file: IO[bytes] = UNPACK.get(path.suffix, open)(path, "rb")
    return file


def chunks(path: Path, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """The table in pieces, numbered through; of CSV every value as its text."""
    if path.suffix != ".parquet":
        with (
            opened(path) as file,
            pd.read_csv(
                io.BufferedReader(lines := CheckedLines(file)),
                skipinitialspace=True,
                skip_blank_lines=False,
                index_col=False,
                chunksize=rows,
                dtype=str,
                encoding=ENCODING,
            ) as reader,
        ):
            while (chunk := next_of(reader, path)) is not None:
                named = chunk.rename(columns=lambda name: str(name).strip())[columns]
                yield named.set_index(chunk.index + lines.blank).dropna(how="all")
        return
    done = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows, columns=columns):
            yield texts(batch).to_pandas(ignore_metadata=True).set_index(pd.RangeIndex(done, done + len(batch)))
            done += len(batch)


def texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, bytes and gapped whole numbers as text.

    Some programs write text as bytes into parquet, and pandas makes floats of whole numbers some of which are missing.
    Raises ArrowInvalid.
    """
    for place, column in enumerate(batch.schema):
        kind, gaps = column.type, batch.column(place).null_count
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or (gaps and pa.types.is_integer(kind)):
            batch = batch.set_column(place, column.name, batch.column(place).cast(pa.string()))
    return batch


def next_of(reader: Iterator[pd.DataFrame], path: Path) -> pd.DataFrame | None:
    """A CSV file's next chunk. Raises DataError where rows are longer than the header: columns would be displaced."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return next(reader, None)
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{path}: its rows have more fields than its header; write numbers with points, not commas"
            ) from error


def numbers(values: "pd.Series[Any]") -> "pd.Series[float]":
    """A column's numbers, NaN for what is none."""
    try:
        return pd.to_numeric(values, errors="coerce").astype(float)
    except (TypeError, ValueError):  # lists and the like, which parquet has
        return pd.Series(np.nan, values.index)


def flags(values: "pd.Series[Any]") -> "pd.Series[float]":
    """A column's numbers as `numbers` has them, and 1 and 0 for true and false."""
    found = numbers(values)
    words = values.where(found.isna()).dropna()
    if len(words):
        found.update(words.astype(str).str.strip().str.lower().map(WORDS).dropna())
    return found


@contextmanager
def replacing(out: Path, *sources: Path) -> Iterator[Path]:
    """The path to write a file under, which becomes `out` when the block has ended well, and is gone if not.

    A device or a pipe, which nothing may take the place of, is written to itself.

    Args:
        out: where the file is to be.
        sources: what is read meanwhile, none of which may be written over.

    Raises:
        DataError: it cannot be written: it is tried at once.
    """
    tried(out, *sources)
    partial = out if special(out) else beside(out)
    try:
        yield partial
        if partial != out:
            partial.replace(out)
    except OSError as error:
        if error.errno in FULL or error.filename in (str(partial), str(out)):
            raise unwritable(out, error) from error
        raise
    finally:
        if partial != out:
            partial.unlink(missing_ok=True)


def tried(out: Path, *sources: Path) -> None:
    """Raise DataError where a file cannot be written, or is one of those that are read; leave nothing but its folder.

    Args:
        out: where the file is to be, before the work that leads to it.
        sources: as those of `replacing`.
    """
    for source in sources:
        if out.exists() and source.exists() and out.samefile(source):
            raise DataError(f"{out} is read and would be written over; name another file to write")
    try:
        if out.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        if special(out):
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        beside(out).touch()
        beside(out).unlink()
    except OSError as error:
        raise unwritable(out, error) from error


def special(out: Path) -> bool:
    """Whether there is something that is neither a file nor a folder, such as /dev/null."""
    return out.exists() and not out.is_file() and not out.is_dir()


def beside(out: Path) -> Path:
    """Where this process writes a file before it is moved into place; two runs at once have two such places."""
    return out.with_name(f"{out.name}.{os.getpid()}.partial")


def unwritable(out: Path, error: OSError) -> DataError:
    """What to say of a file that cannot be written."""
    return DataError(f"{out} cannot be written ({error.strerror}); name another place, or make room")


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
