import json

import numpy as np
import pytest

from model.artefact import DEFAULT
from model.drift import FILE, in_bins, read_shares, shares_of, stability_index, write_shares
from model.features import INPUTS


@pytest.fixture
def inputs():
    rng = np.random.default_rng(1)
    made = rng.normal(size=(5_000, len(INPUTS))).astype(np.float32)
    made[:, 3] = rng.random(5_000) < 0.3  # a flag
    return made


def test_what_is_distributed_as_in_training_has_an_index_near_0_and_what_has_moved_a_large_one(inputs):
    known = shares_of({"ztf": inputs[:2_500], "rubin": inputs[2_500:]})
    for i, edges in enumerate(known.edges):
        same = in_bins(edges, inputs[:1_000, i])
        assert stability_index(known.shares["ztf"][i], same) < 0.05
    moved = in_bins(known.edges[0], inputs[:, 0] + 1)
    assert stability_index(known.shares["ztf"][0], moved) > 0.25
    flag = in_bins(known.edges[3], np.ones(1_000, np.float32))
    assert stability_index(known.shares["ztf"][3], flag) > 0.25
    assert np.isfinite(stability_index(known.shares["ztf"][0], np.zeros(len(known.edges[0]) + 1)))


def test_the_index_is_the_sum_of_its_definition():
    expected, found = np.array([0.5, 0.3, 0.2]), np.array([20.0, 30.0, 50.0])
    wanted = sum((q - p) * np.log(q / p) for p, q in zip(expected, found / 100, strict=True))
    assert stability_index(expected, found) == pytest.approx(wanted)


def test_every_value_lies_in_one_bin_and_one_at_an_edge_below_it():
    counts = in_bins(np.array([0.0, 1.0]), np.array([-1, 0, 0.5, 1, 2, np.inf], np.float32))
    assert counts.tolist() == [2, 2, 2]


def test_what_is_saved_is_read_again(tmp_path, inputs):
    known = shares_of({"ztf": inputs, "rubin": inputs[:100]})
    write_shares(tmp_path, known)
    found = read_shares(tmp_path)
    assert list(found.shares) == ["ztf", "rubin"]
    for i in range(len(INPUTS)):
        assert found.edges[i].tolist() == known.edges[i].tolist()
        assert found.shares["ztf"][i] == pytest.approx(known.shares["ztf"][i], abs=1e-5)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told.pop(INPUTS[0]),
        lambda told: told.update(more=told[INPUTS[0]]),
        lambda told: told[INPUTS[0]].update(edges=[1.0, 1.0]),
        lambda told: told[INPUTS[0]].update(edges=5),
        lambda told: told[INPUTS[0]]["shares"].pop("ztf"),
        lambda told: told[INPUTS[2]]["shares"].update(ztf=[1.0]),
        lambda told: told[INPUTS[2]]["shares"]["ztf"].__setitem__(0, float("nan")),
        lambda told: told[INPUTS[2]].update(shares="many"),
    ],
)
def test_what_does_not_fit_is_as_good_as_not_there(tmp_path, inputs, spoil):
    write_shares(tmp_path, shares_of({"ztf": inputs}))
    told = json.loads((tmp_path / FILE).read_text())
    spoil(told)
    (tmp_path / FILE).write_text(json.dumps(told))
    assert read_shares(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_what_is_none_is_as_good_as_not_there(tmp_path, text):
    assert read_shares(tmp_path) is None
    (tmp_path / FILE).write_text(text)
    assert read_shares(tmp_path) is None


def test_the_shipped_artefact_says_how_its_inputs_were_distributed():
    assert set(read_shares(DEFAULT).shares) == {"plasticc", "rubin", "elasticc", "ztf"}
