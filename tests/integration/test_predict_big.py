"""Large files in bounded memory: a test set of a million rows in all three forms, without classes."""

import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.artefact import save
from model.observation import BANDS, FLUXCAL_NJY
from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training.dataset import read_metadata, stream
from training.predict import COLUMNS

ROOT = Path(__file__).parents[2]
ROWS = 1_000_000
MOST_KB = 1_400_000  # of memory, torch and a block of 500,000 rows among it
MEASURE = """
import re, sys
from training import cli
sys.argv[0] = "misweeper-train"
try:
    cli.main()
finally:
    status = open("/proc/self/status").read()  # getrusage begins with what the parent had
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""
KAGGLE, ZENODO, PARQUET = "test_set.csv", "plasticc_test_lightcurves_01.csv.gz", "test_set.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The objects of the example again and again under new ids, in three forms, and an artefact."""
    folder = tmp_path_factory.mktemp("big")
    save(folder / "artefact", untrained())
    rows = pd.read_parquet(ROOT / "broker" / "examples" / "plasticc_heldout.parquet")
    rows = rows.sort_values(["object_id", "mjd"], kind="stable", ignore_index=True)
    codes, names = pd.factorize(rows["object_id"])
    times = -(-ROWS // len(rows))
    whole = pd.DataFrame(
        {
            "object_id": (codes + 1000 + len(names) * np.arange(times)[:, None]).ravel(),
            **{
                name: np.tile(column, times)
                for name, column in {
                    "mjd": rows["mjd"], "passband": rows["band"].map(BANDS.index),
                    "flux": rows["flux"] / np.float32(FLUXCAL_NJY), "detected": rows["detected"].astype(int),
                    "flux_err": rows["flux_err"] / np.float32(FLUXCAL_NJY),
                }.items()
            },
        }
    )  # fmt: skip
    first = rows.groupby("object_id", as_index=False).first()
    metadata = pd.concat([first] * times, ignore_index=True)
    metadata = metadata.assign(object_id=1000 + np.arange(len(metadata)), ddf=metadata["ddf"].astype(int))
    metadata = metadata.rename(columns={"dec": "decl"}).drop(columns=["true_class", "mjd", "band", "flux", "detected"])
    whole.to_csv(folder / KAGGLE, index=False)
    metadata.to_csv(folder / "test_set_metadata.csv", index=False)
    quick = {"method": "gzip", "compresslevel": 1}
    whole.rename(columns={"detected": "detected_bool"}).to_csv(folder / ZENODO, index=False, compression=quick)
    metadata.rename(columns={"ddf": "ddf_bool"}).to_csv(folder / "plasticc_test_metadata.csv.gz", index=False)
    whole.to_parquet(folder / PARQUET)
    metadata.to_parquet(folder / "test_set_metadata.parquet")
    assert len(whole) >= ROWS
    return folder


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, tuple[pd.DataFrame, int]]:
    """What each file's objects are, and the memory it took at most in kB."""
    found = {}
    for name in (KAGGLE, ZENODO, PARQUET):
        arguments = "predict", str(folder / name), str(folder / "out.parquet"), "--artefact", str(folder / "artefact")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *arguments], cwd=ROOT, capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        peak = re.search(r"peak (\d+)", done.stdout)
        assert peak
        found[name] = pd.read_parquet(folder / "out.parquet"), int(peak[1])
    return found


@pytest.mark.parametrize("name", [KAGGLE, ZENODO, PARQUET])
def test_a_test_set_of_a_million_rows_has_a_finite_row_an_object_in_bounded_memory(folder, answers, name) -> None:
    table, peak = answers[name]
    asked = pd.read_parquet(folder / "test_set_metadata.parquet")
    assert table["object_id"].tolist() == asked["object_id"].astype(str).tolist()
    assert np.isfinite(table[COLUMNS[1:]].to_numpy()).all()
    assert table[COLUMNS[1:]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(table)), abs=1e-5)
    assert peak < MOST_KB


def test_the_three_forms_say_the_same(answers) -> None:
    (kaggle, _), (zenodo, _), (parquet, _) = answers.values()
    pd.testing.assert_frame_equal(kaggle, zenodo)
    pd.testing.assert_frame_equal(kaggle, parquet, atol=1e-5)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str) -> None:
    def peak(objects: int) -> int:
        curves, metadata = tables(ids=tuple(range(objects)), each=30)
        path, known = tmp_path / f"c.{ending}", read_metadata(write(tmp_path, curves, metadata)[1])
        curves.to_parquet(path, row_group_size=500) if ending == "parquet" else curves.to_csv(path, index=False)
        tracemalloc.start()
        assert sum(len(block) for block in stream(path, known, chunk_rows=500)) == objects
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)  # what is allocated once
    assert peak(1600) < 1.4 * peak(400)  # of four times the rows; the reader of CSV buffers 256 kB
