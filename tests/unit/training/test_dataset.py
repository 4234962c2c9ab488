from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.observation import FLUXCAL_NJY
from tests.support.plasticc import tables, write
from training.dataset import UNKNOWN, DataError, read, stream


@pytest.mark.parametrize("zenodo", [False, True])
def test_both_spellings_are_read(tmp_path: Path, zenodo: bool) -> None:
    data = read(*write(tmp_path, *tables(zenodo=zenodo)))
    assert data.ids.tolist() == [3, 5, 9]
    assert data.labels.tolist() == [90, 90, 90]
    assert data.contexts["ddf"].tolist() == [1, 1, 1]
    assert data.curves[1]["detected"].tolist() == [False, True, False, True]


def test_fluxes_become_njy_rounded_once(tmp_path: Path) -> None:
    data = read(*write(tmp_path, *tables()))
    assert data.curves[0]["flux_njy"].tolist() == [np.float32((30 + n) * FLUXCAL_NJY) for n in range(4)]
    assert pytest.approx(36.3078) == FLUXCAL_NJY


def test_metadata_padded_with_spaces_are_read(tmp_path: Path) -> None:
    curves, metadata = write(tmp_path, *tables())
    metadata.write_text(metadata.read_text().replace(",", ",   "))
    assert read(curves, metadata).contexts["host_photoz"].tolist() == pytest.approx([0.4] * 3)


def test_the_answer_key_is_no_input(tmp_path: Path) -> None:
    curves, metadata = tables()
    there = read(*write(tmp_path, curves, metadata))
    gone = read(*write(tmp_path, curves, metadata.drop(columns=["true_target", "hostgal_specz", "distmod", "target"])))
    assert there.contexts.tobytes() == gone.contexts.tobytes()
    assert gone.labels.tolist() == [UNKNOWN] * 3


def test_rows_in_any_order_give_the_same_curves(tmp_path: Path) -> None:
    curves, metadata = tables()
    plain = read(*write(tmp_path, curves, metadata))
    shuffled = read(*write(tmp_path, curves.sample(frac=1, random_state=1), metadata.iloc[::-1]))
    assert plain.ids.tolist() == shuffled.ids.tolist()
    for one, other in zip(plain.curves, shuffled.curves, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 4, 5, 7, 12, 100])
def test_old_bug_6_no_chunk_cuts_an_object(tmp_path: Path, chunk_rows: int) -> None:
    paths = write(tmp_path, *tables(each=5))
    blocks = list(stream(*paths, chunk_rows=chunk_rows))
    whole = read(*paths)
    assert [i for block in blocks for i in block.ids] == whole.ids.tolist()
    for one, other in zip([c for b in blocks for c in b.curves], whole.curves, strict=True):
        assert one.tobytes() == other.tobytes()


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    curves, metadata = tables()
    from_csv = read(*write(tmp_path, curves, metadata))
    curves.to_parquet(tmp_path / "c.parquet")
    metadata.to_parquet(tmp_path / "m.parquet")
    from_parquet = read(tmp_path / "c.parquet", tmp_path / "m.parquet")
    assert [c.tobytes() for c in from_csv.curves] == [c.tobytes() for c in from_parquet.curves]


def test_an_object_with_one_observation_and_no_flux(tmp_path: Path) -> None:
    curves, metadata = tables(ids=(7,), each=1)
    data = read(*write(tmp_path, curves.assign(flux=0.0), metadata))
    assert [len(c) for c in data.curves] == [1]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("flux_err", np.inf, "error"),
        ("flux_err", 0.0, "error"),
        ("flux_err", -1.0, "error"),
        ("flux", np.nan, "flux"),
        ("mjd", 0.0, "mjd"),
        ("passband", 6, "passband"),
        ("detected", 2, "detected"),
    ],
)
def test_an_impossible_value_names_file_line_and_remedy(tmp_path: Path, column: str, value: float, why: str) -> None:
    curves, metadata = tables()
    curves[column] = curves[column].astype(float)
    curves.loc[6, column] = value
    with pytest.raises(DataError, match=rf"curves.csv, line 8: object 5 has .*{why}.*; (remove|use)"):
        read(*write(tmp_path, curves, metadata))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    curves, metadata = tables()
    with pytest.raises(DataError, match="no column detected or detected_bool"):
        read(*write(tmp_path, curves.drop(columns="detected"), metadata))


def test_files_that_are_not_there_empty_or_cut_off(tmp_path: Path) -> None:
    curves, metadata = write(tmp_path, *tables())
    with pytest.raises(DataError, match="misweeper-train fetch"):
        read(tmp_path / "nothing.csv", metadata)
    text = curves.read_text()
    curves.write_text("")
    with pytest.raises(DataError, match="is empty"):
        read(curves, metadata)
    curves.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(DataError, match="no rows"):
        read(curves, metadata)
    curves.write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=r"line|cut off|damaged"):
        read(curves, metadata)


def test_tables_that_do_not_belong_together(tmp_path: Path) -> None:
    curves, metadata = tables()
    with pytest.raises(DataError, match=r"object 9 of .* is not in it"):
        read(*write(tmp_path, curves, metadata.iloc[:2]))
    with pytest.raises(DataError, match="object 9 is there twice"):
        read(*write(tmp_path, curves, pd.concat([metadata, metadata.iloc[2:]])))


def test_an_object_whose_rows_stand_apart_cannot_be_streamed(tmp_path: Path) -> None:
    curves, metadata = tables()
    apart = pd.concat([curves.iloc[2:], curves.iloc[:2]])
    with pytest.raises(DataError, match="object 3 stand apart"):
        list(stream(*write(tmp_path, apart, metadata), chunk_rows=3))
