from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training.dataset import DataError, read
from training.predict import COLUMNS, classify, predict

IDS = (3, 5, 9, 12, 20)


def test_kaggles_columns(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert predict(untrained(), *write(tmp_path, *tables(ids=IDS)), out) == 5
    table = pd.read_csv(out)
    assert table.columns[0] == "object_id"
    assert table.columns[1:].tolist() == [
        f"class_{c}" for c in (6, 15, 16, 42, 52, 53, 62, 64, 65, 67, 88, 90, 92, 95, 99)
    ]
    assert table["object_id"].tolist() == list(IDS)
    assert table[COLUMNS[1:]].sum(axis=1).to_numpy() == pytest.approx(np.ones(5), abs=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 1000])
def test_old_bug_6_chunks_change_no_prediction(tmp_path: Path, chunk_rows: int) -> None:
    paths, out = write(tmp_path, *tables(ids=IDS, each=7)), tmp_path / "out.parquet"
    predict(untrained(), *paths, out, chunk_rows=chunk_rows)
    pd.testing.assert_frame_equal(pd.read_parquet(out), classify(untrained(), read(*paths)), atol=1e-5)


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    paths = write(tmp_path, *tables(ids=IDS))
    for name in ("out.csv", "out.parquet"):
        predict(untrained(), *paths, tmp_path / name)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out.csv"), pd.read_parquet(tmp_path / "out.parquet"), atol=1e-6
    )


def test_progress_counts_objects(tmp_path: Path) -> None:
    seen: list[int] = []
    predict(untrained(), *write(tmp_path, *tables(ids=IDS)), tmp_path / "o.csv", chunk_rows=4, progress=seen.append)
    assert sum(seen) == len(IDS)


def test_input_that_fails_leaves_no_table_behind(tmp_path: Path) -> None:
    curves, metadata = tables(ids=IDS)
    curves.loc[15, "passband"] = 9
    with pytest.raises(DataError, match="passband"):
        predict(untrained(), *write(tmp_path, curves, metadata), tmp_path / "o.csv", chunk_rows=4)
    assert not list(tmp_path.glob("o.csv*"))
