from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.classifier import Classifier
from model.runs import Runs
from tests.support.artefacts import untrained
from tests.support.plasticc import tables, write
from training.dataset import Known, read, read_metadata
from training.files import DataError
from training.predict import COLUMNS, classify, predict

IDS = (3, 5, 9, 12, 20)


def files(folder: Path, curves: pd.DataFrame, metadata: pd.DataFrame) -> tuple[Path, Known]:
    path, known = write(folder, curves, metadata)
    return path, read_metadata(known)


def test_kaggles_columns(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert predict(untrained(), *files(tmp_path, *tables(ids=IDS)), out) == 5
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
    predict(untrained(), paths[0], read_metadata(paths[1]), out, chunk_rows=chunk_rows)
    pd.testing.assert_frame_equal(pd.read_parquet(out), classify(untrained(), read(*paths)), atol=1e-5)


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    paths = files(tmp_path, *tables(ids=IDS))
    for name in ("out.csv", "out.parquet"):
        predict(untrained(), *paths, tmp_path / name)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out.csv", dtype={"object_id": str}),
        pd.read_parquet(tmp_path / "out.parquet"),
        atol=1e-6,
    )


def test_progress_counts_objects(tmp_path: Path) -> None:
    seen: list[int] = []
    predict(untrained(), *files(tmp_path, *tables(ids=IDS)), tmp_path / "o.csv", chunk_rows=4, progress=seen.append)
    assert sum(seen) == len(IDS)


def test_input_that_fails_leaves_no_table_behind(tmp_path: Path) -> None:
    curves, metadata = tables(ids=IDS)
    curves.loc[15, "passband"] = 9
    with pytest.raises(DataError, match="passband"):
        predict(untrained(), *files(tmp_path, curves, metadata), tmp_path / "o.csv", chunk_rows=4)
    assert not list(tmp_path.glob("o.csv*"))


def test_law_5_the_order_of_objects_changes_no_prediction(tmp_path: Path) -> None:
    curves, metadata = tables(ids=IDS, each=9)
    path, known = files(tmp_path, curves, metadata)
    predict(untrained(), path, known, tmp_path / "straight.parquet")
    pd.concat([curves[curves["object_id"] == i] for i in IDS[::-1]]).to_csv(path, index=False)
    predict(untrained(), path, known, tmp_path / "reversed.parquet", chunk_rows=10)
    straight, reverse = (
        pd.read_parquet(tmp_path / f"{n}.parquet").set_index("object_id") for n in ("straight", "reversed")
    )
    assert reverse.index.tolist() == [str(i) for i in IDS[::-1]]
    pd.testing.assert_frame_equal(straight, reverse.loc[straight.index], atol=1e-5)


def test_law_1_a_file_and_a_stream_of_the_same_observations_agree(tmp_path: Path) -> None:
    paths = write(tmp_path, *tables(ids=IDS, each=9))
    predict(untrained(), paths[0], read_metadata(paths[1]), tmp_path / "o.parquet", chunk_rows=11)
    table = pd.read_parquet(tmp_path / "o.parquet")
    data, classifier = read(*paths), Classifier(untrained(), device="cpu")
    for row, curve in enumerate(data.curves):
        state = classifier.start_state[None]
        for t in range(len(curve)):
            one = np.array([1]), data.contexts[row : row + 1], np.array([0])
            streamed, state = classifier.classify(Runs(state, curve[t : t + 1], *one))
        known = table.loc[row, COLUMNS[1:-1]].to_numpy(float)
        assert known / known.sum() == pytest.approx(streamed.probabilities[0], abs=1e-5)
        assert table.loc[row, "class_99"] == pytest.approx(streamed.p99[0], abs=1e-5)


@pytest.mark.parametrize("flux", [0.0, 12.0])
def test_an_object_with_one_observation_and_one_without_flux_have_rows(tmp_path: Path, flux: float) -> None:
    curves, metadata = tables(ids=IDS, each=1)
    predict(untrained(), *files(tmp_path, curves.assign(flux=flux), metadata), tmp_path / "o.parquet")
    table = pd.read_parquet(tmp_path / "o.parquet")
    assert np.isfinite(table[COLUMNS[1:]].to_numpy()).all()
    assert table[COLUMNS[1:]].sum(axis=1).to_numpy() == pytest.approx(np.ones(5), abs=1e-6)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"o.xlsx: the table is written as .csv or .parquet; name OUT"):
        predict(untrained(), *files(tmp_path, *tables()), tmp_path / "o.xlsx")


def test_old_bug_4_companions_in_a_file_change_no_prediction(tmp_path: Path) -> None:
    curves, metadata = tables(ids=IDS, each=6)
    predict(untrained(), *files(tmp_path, curves, metadata), tmp_path / "all.parquet")
    together = pd.read_parquet(tmp_path / "all.parquet")
    alone = curves["object_id"] == IDS[1], metadata["object_id"] == IDS[1]
    predict(untrained(), *files(tmp_path, curves[alone[0]], metadata[alone[1]]), tmp_path / "one.parquet")
    one = pd.read_parquet(tmp_path / "one.parquet")
    pd.testing.assert_frame_equal(one, together.iloc[[1]].reset_index(drop=True), atol=1e-5)
