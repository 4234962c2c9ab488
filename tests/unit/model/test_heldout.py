"""What the shipped artefact answers on all its held-out objects: as ever, and by steps what it says of whole curves."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.features import CONTEXT
from model.observation import BANDS, OBSERVATION, LightCurve
from model.runs import Runs
from tests.support.curves import runs_of

ROOT = Path(__file__).parents[3]
HELDOUT = ROOT / "broker" / "examples" / "plasticc_heldout.parquet"
# Probabilities, P99 and anomaly score [402, 16] after the last observation of each object, objects by their numbers as
# text: what the artefact answered when it was shipped. Made anew, on one thread, where MISWEEPER_GOLDEN is `write`.
GOLDEN = ROOT / "tests" / "golden" / "heldout_answers.npy"
ATOL = 1e-5


@pytest.fixture(scope="module")
def heldout():
    """Every object's light curve, and their contexts."""
    table = pd.read_parquet(HELDOUT)
    rows = np.zeros(len(table), dtype=OBSERVATION)
    columns = {"mjd_tai": "mjd", "flux_njy": "flux", "flux_err_njy": "flux_err", "detected": "detected"}
    for name, column in columns.items():
        rows[name] = table[column]
    rows["band"] = table["band"].map(BANDS.index)
    objects = table.groupby("object_id")
    curves = [LightCurve.of(rows[places]).observations for places in objects.indices.values()]
    first = objects.first().loc[list(objects.indices)]
    known = zip(first["hostgal_photoz"], first["hostgal_photoz_err"], first["mwebv"], first["ddf"], strict=True)
    return curves, np.array(list(known), dtype=CONTEXT)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(load(DEFAULT), device="cpu", threads=1)


@pytest.fixture(scope="module")
def whole(classifier, heldout):
    """After every observation [M, 16], from one pass over each curve."""
    curves, contexts = heldout
    parts = [slice(start, start + 64) for start in range(0, len(curves), 64)]
    return np.concatenate(
        [table(classifier.classify(runs_of(classifier.start_state, curves[p], contexts[p]))[0]) for p in parts]
    )


def table(verdicts):
    """Probabilities, P99 and score side by side."""
    return np.column_stack([verdicts.probabilities, verdicts.p99, verdicts.anomaly_scores])


def same(ours, theirs):
    assert np.allclose(ours[:, :15], theirs[:, :15], rtol=0, atol=ATOL)
    assert np.allclose(ours[:, 15], theirs[:, 15], rtol=2e-5)


def test_the_answers_are_those_that_the_artefact_was_shipped_with(heldout, whole):
    ends = np.cumsum([len(curve) for curve in heldout[0]])
    if os.environ.get("MISWEEPER_GOLDEN") == "write":
        np.save(GOLDEN, whole[ends - 1])
    golden = np.load(GOLDEN, allow_pickle=False)
    assert golden.shape == (402, 16)
    same(whole[ends - 1], golden)


def test_law_2_steps_through_packed_states_give_what_one_pass_gives_after_every_observation(classifier, heldout, whole):
    curves, contexts = heldout
    rows, lengths = np.concatenate(curves), np.array([len(curve) for curve in curves])
    starts = np.cumsum(lengths) - lengths
    states = np.tile(classifier.start_state, (len(curves), 1))
    stepped = np.empty_like(whole)
    for number in range(lengths.max()):
        there = np.flatnonzero(lengths > number)
        each = np.arange(len(there))
        runs = Runs(states[there], rows[starts[there] + number], each + 1, contexts[there], each)
        verdicts, states[there] = classifier.classify(runs)
        stepped[starts[there] + number] = table(verdicts)
    same(stepped, whole)
