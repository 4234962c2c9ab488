import gzip
from pathlib import Path

import pandas as pd
import pytest

from tests.support.plasticc import tables as plasticc
from training.dataset import CURVE_COLUMNS, METADATA_COLUMNS
from training.files import DataError, metadata_beside, tables


def rows(path: Path, chunk_rows: int = 5) -> pd.DataFrame:
    return pd.concat(list(tables(path, CURVE_COLUMNS, chunk_rows)))


@pytest.mark.parametrize("zenodo", [False, True])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_every_form_says_the_same(tmp_path: Path, ending: str, zenodo: bool) -> None:
    curves, _ = plasticc(zenodo=zenodo)
    path = tmp_path / f"curves.{ending}"
    curves.to_parquet(path) if ending == "parquet" else curves.to_csv(path, index=False)
    found = rows(path)
    assert list(found.index) == list(range(12))
    assert found[list(CURVE_COLUMNS)].astype(float).to_numpy().tolist() == curves.to_numpy().tolist()


@pytest.mark.parametrize("column", CURVE_COLUMNS)
def test_a_missing_column_of_light_curves_is_named(tmp_path: Path, column: str) -> None:
    plasticc()[0].drop(columns=column).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DataError, match=rf"c.csv, line 1: there is no column {column}.*; export it with this column"):
        rows(tmp_path / "c.csv")


@pytest.mark.parametrize("column", METADATA_COLUMNS)
def test_a_missing_column_of_metadata_is_named(tmp_path: Path, column: str) -> None:
    plasticc()[1].drop(columns=column).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(DataError, match=rf"m.parquet, line 1: there is no column {column}"):
        list(tables(tmp_path / "m.parquet", METADATA_COLUMNS, 5))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c.csv is not there; run `misweeper-train fetch`"):
        rows(tmp_path / "c.csv")


@pytest.mark.parametrize("name", ["c.csv", "c.csv.gz", "c.parquet"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=rf"{name} is empty; fetch or export it again"):
        rows(tmp_path / name)


def test_a_header_alone(tmp_path: Path) -> None:
    plasticc()[0].iloc[:0].to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DataError, match=r"c.csv has a header and no rows; fetch or export it again"):
        rows(tmp_path / "c.csv")


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_a_truncated_download_of_a_compressed_file(tmp_path: Path, ending: str) -> None:
    curves, _ = plasticc(ids=tuple(range(200)))
    path = tmp_path / f"c.{ending}"
    curves.to_parquet(path) if ending == "parquet" else path.write_bytes(gzip.compress(curves.to_csv().encode()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"c.{ending} is damaged or cut off .*; fetch or export it again"):
        rows(path, 100)


@pytest.mark.parametrize("content", [b"\x00\xff\xfe" * 50, b"<html>not found</html>", b"\x1f\x8b" + b"x" * 50])
@pytest.mark.parametrize("name", ["c.csv", "c.csv.gz", "c.parquet"])
def test_what_is_no_table_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"damaged or cut off .*; fetch|no column"):
        rows(tmp_path / name)


@pytest.mark.parametrize(
    ("curves", "metadata"),
    [
        ("test_set.csv", "test_set_metadata.csv"),
        ("test_set.parquet", "test_set_metadata.parquet"),
        ("plasticc_train_lightcurves.csv.gz", "plasticc_train_metadata.csv.gz"),
        ("plasticc_test_lightcurves_07.csv.gz", "plasticc_test_metadata.csv.gz"),
        ("sniabcii_test_lightcurves_example.csv", "sniabcii_test_metadata_example.csv"),
    ],
)
def test_metadata_are_found_by_kaggles_and_zenodos_names(tmp_path: Path, curves: str, metadata: str) -> None:
    with pytest.raises(DataError, match=r"no metadata beside it \(.*\); name them by --metadata"):
        metadata_beside(tmp_path / curves)
    (tmp_path / metadata).touch()
    assert metadata_beside(tmp_path / curves) == tmp_path / metadata
