from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.observation import FLUXCAL_NJY
from tests.support.plasticc import tables, write
from training.dataset import UNKNOWN, read, read_metadata, stream
from training.files import DataError


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
    blocks = list(stream(paths[0], read_metadata(paths[1]), chunk_rows))
    whole = read(*paths)
    assert [int(i) for block in blocks for i in block.ids] == whole.ids.tolist()
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


def test_all_zero_flux_is_data_like_any_other(tmp_path: Path) -> None:
    curves, metadata = tables()
    data = read(*write(tmp_path, curves.assign(flux=0), metadata))
    assert [c["flux_njy"].tolist() for c in data.curves] == [[0.0] * 4] * 3


def test_what_metadata_leave_empty_is_unknown(tmp_path: Path) -> None:
    curves, metadata = tables()
    empty = metadata.assign(hostgal_photoz=np.nan, hostgal_photoz_err=np.nan, mwebv=np.nan, ddf=np.nan)
    context = read(*write(tmp_path, curves, empty)).contexts
    assert np.isnan(context["host_photoz"]).all()
    assert np.isnan(context["mwebv"]).all()
    assert context["ddf"].tolist() == [-1] * 3


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("flux_err", np.inf, "error"),
        ("flux_err", 0.0, "error"),
        ("flux_err", -1.0, "error"),
        ("flux", np.nan, "flux"),
        ("flux", np.inf, "flux"),
        ("mjd", "yesterday", "mjd"),
        ("passband", 6, "passband"),
        ("passband", -1, "passband"),
        ("passband", "R", "passband"),
        ("detected", 2, "detected"),
    ],
)
def test_an_impossible_value_names_file_line_and_remedy(
    tmp_path: Path, column: str, value: float | str, why: str
) -> None:
    curves, metadata = tables()
    curves[column] = curves[column].astype(object)
    curves.loc[6, column] = value
    with pytest.raises(DataError, match=rf"curves.csv, line 8: object 5 has .*{why}.*; (remove|use)"):
        read(*write(tmp_path, curves, metadata))


@pytest.mark.parametrize(
    ("mjd", "remedy"),
    [
        (0.0, "a time is an MJD, between 0 and 200000 days"),
        (-1.0, "a time is an MJD"),
        (2_459_750.5, "it looks like a Julian date: subtract 2400000.5"),
        (1_655_000_000, r"it looks like seconds since 1970 \(Unix time\): divide by 86400 and add 40587"),
        (1_655_000_000_000, "it looks like milliseconds since 1970: divide by 86400000"),
    ],
)
def test_a_time_in_another_unit_names_the_unit(tmp_path: Path, mjd: float, remedy: str) -> None:
    curves, metadata = tables()
    curves.loc[6, "mjd"] = mjd
    with pytest.raises(DataError, match=rf"curves.csv, line 8: object 5 has an mjd that is no time; {remedy}"):
        read(*write(tmp_path, curves, metadata))


def test_a_ddf_that_is_neither_names_file_line_and_remedy(tmp_path: Path) -> None:
    curves, metadata = tables()
    metadata.loc[1, "ddf"] = 3
    with pytest.raises(DataError, match=r"metadata.csv, line 3: object 5 has a ddf .*; use 0 or 1"):
        read(*write(tmp_path, curves, metadata))


def test_a_download_cut_off_between_objects(tmp_path: Path) -> None:
    curves, metadata = tables()
    with pytest.raises(DataError, match=r"curves.csv: object 9 of .*metadata.csv has no rows; .* cut off, fetch it"):
        read(*write(tmp_path, curves.iloc[:8], metadata))


def test_a_download_cut_off_within_a_row(tmp_path: Path) -> None:
    curves, metadata = write(tmp_path, *tables())
    text = curves.read_text()
    curves.write_text(text[: text.rindex(",1.5,")])
    with pytest.raises(DataError, match=r"curves.csv, line 13 has 4 of 6 fields; .* fetch the file again if it ends"):
        read(curves, metadata)


def test_tables_that_do_not_belong_together(tmp_path: Path) -> None:
    curves, metadata = tables()
    with pytest.raises(DataError, match=r"curves.csv, line 10: object 9 is not in .*metadata.csv; name the metadata"):
        read(*write(tmp_path, curves, metadata.iloc[:2]))
    with pytest.raises(DataError, match=r"metadata.csv, line 5: object 9 is there twice; keep one"):
        read(*write(tmp_path, curves, pd.concat([metadata, metadata.iloc[2:]])))


@pytest.mark.parametrize("chunk_rows", [3, 100])
def test_an_object_whose_rows_stand_apart_cannot_be_streamed(tmp_path: Path, chunk_rows: int) -> None:
    curves, metadata = tables()
    paths = write(tmp_path, pd.concat([curves.iloc[2:], curves.iloc[:2]]), metadata)
    with pytest.raises(DataError, match=r"curves.csv, line 12: rows of object 3 stand apart .*; sort the file by"):
        list(stream(paths[0], read_metadata(paths[1]), chunk_rows))


def test_shuffled_rows_cannot_be_streamed(tmp_path: Path) -> None:
    curves, metadata = tables(each=20)
    paths = write(tmp_path, curves.sample(frac=1, random_state=0), metadata)
    with pytest.raises(DataError, match=r"line \d+: rows of object \d stand apart .*; sort the file by object_id"):
        list(stream(paths[0], read_metadata(paths[1]), 7))


def test_metadata_may_hold_objects_that_other_files_show(tmp_path: Path) -> None:
    curves, metadata = tables()
    paths = write(tmp_path, curves.iloc[:4], metadata)
    assert [b.ids.tolist() for b in stream(paths[0], read_metadata(paths[1]))] == [[b"3"]]
