"""Archives on a Dask cluster: each task has all rows of some objects, and writes its answers as one file of a folder.

Scheduler and workers have the same misweeper installed, and see archive and folder under the same paths.
"""

from collections.abc import Callable
from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dask import delayed
from dask.distributed import Client, as_completed

from broker.archives.classified import SCHEMA, classified
from broker.archives.parts import PART_ROWS, Archive
from broker.archives.work import Work, worker
from broker.errors import StartupError

CONNECT_S = 10.0


def classify_on(
    scheduler: str, archive: Archive, folder: Path, work: Work, advanced: Callable[[int], None], parts: int
) -> int:
    """Classify an archive on a cluster; how many answers are in the folder.

    Args:
        scheduler: its address, such as tcp://host:8786.
        archive: at a path that each worker has.
        folder: likewise; there, and empty.
        work: what to classify with.
        advanced: told of each part that is done.
        parts: into how many the objects are dealt.

    Raises:
        StartupError: there is no cluster, or what `classified` and `worker` raise there.
    """
    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise StartupError(f"no Dask scheduler answers at {scheduler} ({error}); start one, or leave it out") from error
    with client:
        rows = dd.read_parquet(archive.path, columns=archive.columns)
        dealt = rows.shuffle("object_id", npartitions=parts).to_delayed()
        write = delayed(written, pure=False)
        places = [str(folder / f"part-{number:05d}.parquet") for number in range(parts)]
        tasks = [write(part, place, work, str(archive.path)) for part, place in zip(dealt, places, strict=True)]
        done = 0
        for future in as_completed(client.compute(tasks)):
            done += int(future.result())
            advanced(1)
        return done


def parts_for(archive: Archive) -> int:
    """Into how many parts the objects of an archive are dealt."""
    return -(-archive.size // PART_ROWS)


def written(table: pd.DataFrame, place: str, work: Work, source: str) -> int:
    """Classify whole objects and write the answers, on a worker; how many there are. Raises StartupError."""
    found = classified(table, worker(work), every=work.every, source=source)
    pq.write_table(pa.Table.from_pandas(found, SCHEMA, preserve_index=False), place)
    return len(found)
