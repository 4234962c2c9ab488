"""Inference over raw files: light curves in, Kaggle's table out, in bounded memory and in any chunks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model import anomaly
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.taxonomy import ANOMALY_CLASS, CLASS_IDS
from training.dataset import CHUNK_ROWS, Known, Objects, stream
from training.files import DataError, replacing
from training.train import read_out

FORMATS = (".csv", ".parquet")
COLUMNS = ["object_id", *(f"class_{c}" for c in (*CLASS_IDS, ANOMALY_CLASS))]


def predict(
    artefact: Artefact,
    curves: Path,
    known: Known,
    out: Path,
    *,
    natural: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Classify every object of a file at its last observation.

    Args:
        artefact: the classifier.
        curves: light curves, CSV or parquet, an object's rows together.
        known: their metadata; may hold other objects too.
        out: the table to write, CSV or parquet by its ending; rows in the order of `curves`, each summing to 1.
        natural: natural instead of balanced priors.
        chunk_rows: rows read at a time; changes nothing in the result.
        progress: told how many objects each block held.

    Returns:
        how many objects there were.

    Raises:
        DataError: the input cannot be used, or the table has another ending.
    """
    if out.suffix not in FORMATS:
        raise DataError(f"{out}: the table is written as {' or '.join(FORMATS)}; name OUT with one of these endings")
    done, writer = 0, None
    with replacing(out, curves, known.path) as partial:
        try:
            for block in stream(curves, known, chunk_rows):
                table = classify(artefact, block, natural=natural)
                if out.suffix == ".parquet":
                    arrow = pa.Table.from_pandas(table, preserve_index=False)
                    writer = writer or pq.ParquetWriter(partial, arrow.schema)
                    writer.write_table(arrow)
                else:
                    table.to_csv(partial, mode="a" if done else "w", header=not done, index=False, float_format="%.7g")
                done += len(block)
                progress(len(block))
        finally:
            if writer:
                writer.close()
    return done


def classify(artefact: Artefact, objects: Objects, *, natural: bool = False) -> pd.DataFrame:
    """Kaggle's table of these objects: 14 classes and class 99, which takes its share from the 14."""
    last = np.array([[len(curve) - 1] for curve in objects.curves])
    logits, _ = read_out(artefact.network, objects, last)
    ratio = natural_prior_log_ratio(artefact.class_frequencies) if natural else None
    known = probabilities(logits[:, 0], artefact.temperature, ratio)
    other = anomaly.p99(known)[:, None]
    rows = np.concatenate([(known * (1 - other)).numpy(), other.numpy()], axis=1).astype(np.float64)
    table = pd.DataFrame(rows, columns=COLUMNS[1:])
    if not np.isfinite(rows).all():
        strange = objects.ids[~np.isfinite(rows).all(axis=1)][0]
        raise DataError(f"object {strange!r} has no answer that is a number; leave it out, and tell us of it")
    table.insert(0, "object_id", texts(objects.ids))
    return table


def texts(ids: NDArray[Any]) -> NDArray[np.str_]:
    """Ids [n] as text."""
    return np.char.decode(ids, "utf-8") if ids.dtype.kind == "S" else ids.astype(str)
