"""`misweeper classify`: a file in, a file out, whole or not at all; what cannot be is one sentence."""

import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from broker.archives import parts
from broker.archives.classified import SCHEMA, classified
from broker.commands.demo import HELDOUT
from broker.commands.main import app
from broker.errors import StartupError
from model.artefact import save
from model.classifier import Classifier
from tests.support.artefacts import untrained
from tests.support.refusals import own_signals


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    """A small one."""
    folder = tmp_path_factory.mktemp("artefact")
    return folder, save(folder, untrained())


@pytest.fixture
def run(artefact):
    """Runs the command; raises what `main` would print."""

    def run(*arguments, **variables):
        environment = {"MISWEEPER_CLASSIFIER__ARTEFACT": str(artefact[0]), "MISWEEPER_CLASSIFIER__DEVICE": "cpu"}
        with own_signals():
            done = CliRunner().invoke(app, ["classify", *map(str, arguments)], env=environment | variables)
        if done.exception:
            raise done.exception
        return done.output

    return run


@pytest.fixture(scope="module")
def heldout():
    return pd.read_parquet(HELDOUT)


def test_a_file_is_classified_part_by_part(run, artefact, heldout, tmp_path, monkeypatch):
    monkeypatch.setattr(parts.dealt, "__defaults__", (10_000,))
    out = tmp_path / "out.parquet"
    assert "402 answers are in" in run(HELDOUT, out)
    assert [p.name for p in tmp_path.iterdir()] == ["out.parquet"], "nothing lies beside it"
    assert pq.read_schema(out).equals(SCHEMA)
    said = pd.read_parquet(out).sort_values("object_id", ignore_index=True)
    whole = classified(heldout, Classifier(artefact[1], device="cpu", threads=1))
    assert said["object_id"].tolist() == whole["object_id"].tolist()
    numbers = whole.select_dtypes("number").columns
    assert np.allclose(said[numbers], whole[numbers], rtol=1e-5, atol=1e-5)
    assert set(said["classifier_version"]) == {artefact[1].digest}


def test_every_observation_may_have_its_row_and_priors_are_those_of_the_service(run, heldout, tmp_path):
    some = heldout[heldout["object_id"].isin(heldout["object_id"].unique()[:5])]
    some.to_parquet(tmp_path / "some.parquet")
    told = run(tmp_path / "some.parquet", tmp_path / "out.parquet", "--every", MISWEEPER_CLASSIFIER__PRIORS="natural")
    assert f"{len(some)} answers" in told
    said = pd.read_parquet(tmp_path / "out.parquet")
    assert set(said["priors"]) == {"natural"}
    for _, one in said.groupby("object_id"):
        assert one["observations"].tolist() == list(range(1, len(one) + 1))


def test_what_cannot_be_leaves_the_old_file_and_nothing_beside_it(run, heldout, tmp_path):
    out, bad = tmp_path / "out.parquet", tmp_path / "bad.parquet"
    out.write_text("old")
    heldout.assign(flux_err=np.where(heldout["object_id"] == "77306", -1.0, heldout["flux_err"])).to_parquet(bad)
    with pytest.raises(StartupError, match=r"bad.parquet: of an observation of object '77306' fluxErr is -1.0; expect"):
        run(bad, out)
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.parquet", "out.parquet"]


@pytest.mark.parametrize(
    ("out", "more", "words"),
    [
        ("out.csv", (), "name OUT so that it ends in .parquet"),
        ("missing/out.parquet", (), "cannot be written (No such file or directory); name another file"),
        ("folder.parquet", (), "is read, or no file, and is left as it is; name another file"),
        ("in.parquet", (), "is read, or no file, and is left as it is; name another file"),
        ("folder.parquet", ("--scheduler", "tcp://127.0.0.1:1"), "is there already; name a folder that is not"),
        ("out", ("--scheduler", "127.0.0.1:1:1"), "no Dask scheduler answers at 127.0.0.1:1:1"),
    ],
)
def test_an_out_that_cannot_be_is_refused_and_the_input_stays(run, heldout, tmp_path, out, more, words):
    (tmp_path / "folder.parquet").mkdir()
    heldout[:10].to_parquet(tmp_path / "in.parquet")
    before = (tmp_path / "in.parquet").read_bytes()
    with pytest.raises(StartupError, match=re.escape(words)):
        run(tmp_path / "in.parquet", tmp_path / out, *more)
    assert (tmp_path / "in.parquet").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.parquet", "in.parquet"]
