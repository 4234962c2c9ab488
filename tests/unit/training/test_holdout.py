from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.artefact import DEFAULT, load
from model.taxonomy import CLASS_IDS
from tests.support.plasticc import objects
from training.holdout import holdout, write
from training.splits import fold

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    return pd.read_parquet(ROOT / "broker" / "examples" / "plasticc_heldout.parquet")


def test_the_shipped_artefact_never_saw_an_object_of_the_demo(shipped: pd.DataFrame) -> None:
    known = pd.read_parquet(ROOT / "tests" / "golden" / "plasticc_classes.parquet")
    ids, labels = known["object_id"].to_numpy(), known["target"].to_numpy()
    record = load(DEFAULT).record["split"]
    split = fold(ids, labels, record["seed"], record["fold"])
    assert [len(part) for part in split] == [record["train"], record["validation"], record["test"]]
    shown = set(shipped["object_id"].astype(int))
    assert shown <= set(ids[split.test])
    assert not shown & set(ids[np.concatenate([split.train, split.validation])])


def test_the_shipped_file_is_what_the_demo_needs(shipped: pd.DataFrame) -> None:
    assert shipped["object_id"].nunique() >= 300
    assert set(shipped["true_class"]) == set(CLASS_IDS)
    assert shipped["mjd"].is_monotonic_increasing
    assert set(shipped["band"]) == set("ugrizy")
    assert shipped["flux"].dtype == shipped["flux_err"].dtype == np.float32
    assert (shipped["flux_err"] > 0).all()


def test_rows_are_the_observations_by_time(tmp_path: Path) -> None:
    data = objects(per_class=10)
    table = holdout(data, seed=0, k=1, size=40)
    write(table, tmp_path / "new" / "demo.parquet")
    read = pd.read_parquet(tmp_path / "new" / "demo.parquet")
    assert read["mjd"].is_monotonic_increasing
    tested = set(data.ids[fold(data.ids, data.labels, 0, 1).test])
    for name, rows in read.groupby("object_id"):
        assert int(name) in tested
        curve = data.curves[list(data.ids).index(int(name))]
        assert rows["flux"].to_numpy().tolist() == curve["flux_njy"].tolist()
        assert rows["band"].tolist() == ["ugrizy"[b] for b in curve["band"]]
