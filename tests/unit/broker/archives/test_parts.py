"""An archive is dealt out in whole objects, however its rows stand."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.archives import parts
from broker.archives.parts import Archive, dealt, read_part
from broker.commands.demo import HELDOUT
from broker.errors import StartupError


@pytest.fixture(scope="module")
def heldout():
    return pd.read_parquet(HELDOUT)


def test_each_row_is_in_one_part_and_each_object_is_whole(heldout, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_AT_ONCE", 1000)
    told = []
    found = [read_part(p) for p in dealt(Archive(HELDOUT), tmp_path, told.append, part_rows=10_000)]
    assert sum(told) == len(heldout)
    assert len(found) == -(-len(heldout) // 10_000)
    assert max(len(part) for part in found) < 2 * 10_000
    owners = [set(part["object_id"]) for part in found]
    assert sum(map(len, owners)) == heldout["object_id"].nunique()
    columns = [name for name in heldout if name != "true_class"]
    ours, theirs = (
        table[columns].sort_values(["object_id", "mjd", "band"], ignore_index=True)
        for table in (pd.concat(found), heldout)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def test_a_folder_of_nights_is_one_archive(heldout, tmp_path):
    nights = tmp_path / "nights"
    nights.mkdir()
    for number, night in heldout.groupby(np.floor(heldout["mjd"] / 200)):
        night.to_parquet(nights / f"{number}.parquet")
    archive = Archive(nights)
    assert archive.size == len(heldout)
    (part,) = dealt(archive, tmp_path, lambda _: None)
    assert len(read_part(part)) == len(heldout)


def test_there_are_never_more_parts_than_files_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "MOST_PARTS", 7)
    assert len(dealt(Archive(HELDOUT), tmp_path, lambda _: None, part_rows=100)) == 7


def test_categories_text_in_bytes_and_numbers_as_names_are_read_as_they_are_meant(heldout, tmp_path):
    text = heldout[:5000].astype({"object_id": str})
    categories = pa.Table.from_pandas(text.astype({"band": "category", "object_id": "category"}))
    pq.write_table(categories, tmp_path / "a.parquet", row_group_size=500)
    numbers = text.astype({"object_id": int})
    numbers.to_parquet(tmp_path / "b.parquet")
    for name in "ab":
        paths = dealt(Archive(tmp_path / f"{name}.parquet"), tmp_path, lambda _: None, part_rows=1000)
        found = pd.concat([read_part(path) for path in paths])
        assert sorted(found["object_id"].astype(str)) == sorted(text["object_id"])


def test_what_is_no_archive_is_one_sentence(heldout, tmp_path):
    (tmp_path / "text.parquet").write_text("object_id,mjd\n")
    heldout[:0].to_parquet(tmp_path / "empty.parquet")
    heldout[["object_id", "mjd"]].to_parquet(tmp_path / "narrow.parquet")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "missing": "is not there; give a parquet file, or a folder of them",
        "text.parquet": "cannot be read .*; export it again",
        "empty.parquet": "has no rows; export it again",
        "folder": "has no rows; export it again",
        "narrow.parquet": "has no column 'band', only object_id, mjd; rename or add it",
    }.items():
        with pytest.raises(StartupError, match=words):
            Archive(tmp_path / name)
