import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.support.plasticc import tables as plasticc
from training import lines as checking
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


def written(path: Path, lines: list[str], ending: str = "\n") -> Path:
    path.write_bytes(ending.join([*lines, ""]).encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_row_that_is_too_short_is_refused_not_filled_with_unknowns(tmp_path: Path, ending: str) -> None:
    _, metadata = plasticc()
    header, *lines = metadata.to_csv(index=False).splitlines()
    whole = written(tmp_path / "m.csv", ["", header, *lines], ending)
    assert len(pd.concat(list(tables(whole, METADATA_COLUMNS, 2)))) == len(lines)
    for fields in range(1, header.count(",") + 1):
        short = ",".join(lines[1].split(",")[:fields])
        path = written(tmp_path / "m.csv", ["", header, lines[0], short, *lines[2:]], ending)
        with pytest.raises(DataError, match=rf"m.csv, line 4 has {fields} of {header.count(',') + 1} fields; mend the"):
            list(tables(path, METADATA_COLUMNS, 2))


def test_a_comma_within_quotes_fills_no_row(tmp_path: Path) -> None:
    header, *lines = plasticc()[0].assign(remark="Ia, peculiar").to_csv(index=False).splitlines()
    path = written(tmp_path / "c.csv", [header, *lines])
    assert len(rows(path)) == len(lines)
    lines[7] = lines[7].split(",", 1)[1]
    with pytest.raises(DataError, match=r"c.csv, line 9 has 6 of 7 fields"):
        rows(written(tmp_path / "c.csv", [header, *lines]))


@pytest.mark.parametrize("others", [(), (9,), (2, 9)])
def test_an_open_quote_is_named_by_its_line_and_swallows_no_rows(tmp_path: Path, others: tuple[int, ...]) -> None:
    header, *lines = plasticc()[0].assign(remark="x").to_csv(index=False).splitlines()
    for n in (1, *others):
        lines[n] = lines[n].replace("x", '"x')
    with pytest.raises(DataError, match=r'c.csv, line 3 opens a quote \("\) that it does not close; close it'):
        rows(written(tmp_path / "c.csv", [header, *lines]))
    with pytest.raises(DataError, match=r"c.csv, line 1 opens a quote"):
        rows(written(tmp_path / "c.csv", ['"' + header, *lines]))


def test_an_endless_line_takes_no_memory(tmp_path: Path) -> None:
    header = plasticc()[0].to_csv(index=False).splitlines()[0]
    with pytest.raises(DataError, match=r"c.csv, line 2 is longer than 1048576 bytes"):
        rows(written(tmp_path / "c.csv", [header, "1," * 2_000_000]))


@pytest.mark.parametrize("block", [1, 7, 64])
def test_where_blocks_are_cut_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    curves, _ = plasticc()
    lines = ["", *curves.to_csv(index=False).splitlines()]
    expected = rows(written(tmp_path / "a.csv", lines))
    monkeypatch.setattr(checking, "BLOCK_BYTES", block)
    for ending in ("\n", "\r\n", "\r"):
        pd.testing.assert_frame_equal(rows(written(tmp_path / "b.csv", lines, ending)), expected)
    lines[5] = "1,2"
    with pytest.raises(DataError, match=r"b.csv, line 6 has 2 of 6 fields"):
        rows(written(tmp_path / "b.csv", lines))


@pytest.mark.parametrize("ending", ["csv.bz2", "csv.xz", "csv.zip", "csv.gz"])
def test_packed_files_are_read_as_they_were(tmp_path: Path, ending: str) -> None:
    curves, _ = plasticc()
    curves.to_csv(tmp_path / f"c.{ending}", index=False)
    curves.to_csv(tmp_path / "c.csv", index=False)
    pd.testing.assert_frame_equal(rows(tmp_path / f"c.{ending}"), rows(tmp_path / "c.csv"))


def test_an_archive_of_two_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "b")
    with pytest.raises(DataError, match=r"c.zip holds 2 files; unpack it, and name one of them"):
        rows(tmp_path / "c.zip")
