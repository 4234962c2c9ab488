"""An archive's files in parts of whole objects, wherever their rows stand: by night, by object, or anyhow.

The rows are dealt out by their objects' names to files in a temporary folder, each of which fits into memory. So memory
does not grow with the archive up to some hundred million rows; the folder takes about as much room as the archive does.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from broker.archives.tables import fields_of, known_columns, naming
from broker.errors import StartupError

ROWS_AT_ONCE = 131_072
PART_ROWS = 250_000  # about
MOST_PARTS = 500  # each is a file, open at the same time


class Archive:
    """One parquet file, or a folder of them. Raises StartupError where it is none, or a column is missing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StartupError(f"{path} is not there; give a parquet file, or a folder of them")
        self.path = path
        with naming(path):
            self._rows = ds.dataset(path, format="parquet")
            self.columns = known_columns(self._rows.schema.names)
            self.size: int = self._rows.count_rows()
        if not self.size:
            raise StartupError(f"{path} has no rows; export it again")
        fields_of(path, {name: np.empty(0, object) for name in self.columns})

    def reads(self, path: Path) -> bool:
        """Whether a file is one of the archive's."""
        return any(path.samefile(file) for file in self._rows.files)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in any order. Raises StartupError."""
        with naming(self.path):
            for batch in self._rows.to_batches(columns=self.columns, batch_size=ROWS_AT_ONCE):
                yield plain(batch)


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, categories as their values."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(place, field.name, batch.column(place).dictionary_decode())
    return batch


def dealt(archive: Archive, folder: Path, advanced: Callable[[int], None], part_rows: int = PART_ROWS) -> list[Path]:
    """Write an archive's rows to files of whole objects in a folder; `advanced` is told how many rows were read."""
    count = min(MOST_PARTS, -(-archive.size // part_rows))
    paths = [folder / f"{number:03d}.arrow" for number in range(count)]
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as stack:
        writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        for batch in archive.batches():
            of = pd.util.hash_array(batch["object_id"].to_pandas().to_numpy(object)) % np.uint64(count)
            order = np.argsort(of, kind="stable")
            bounds = np.searchsorted(of[order], np.arange(count + 1, dtype=np.uint64))
            rows = batch.take(pa.array(order))
            for number in np.flatnonzero(np.diff(bounds)).tolist():
                if number not in writers:
                    writers[number] = stack.enter_context(pa.ipc.new_file(paths[number], batch.schema, options=options))
                writers[number].write_batch(rows.slice(bounds[number], bounds[number + 1] - bounds[number]))
            advanced(len(batch))
        return [paths[number] for number in sorted(writers)]


def read_part(path: Path) -> pd.DataFrame:
    """The rows of a part."""
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        rows: pd.DataFrame = reader.read_all().to_pandas(ignore_metadata=True)
        return rows
