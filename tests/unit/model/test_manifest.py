"""A manifest of any JSON, and weights of any kind, load or are refused in one sentence."""

import copy
import json
import math
import random
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from model.artefact import MANIFEST, WEIGHTS, ArtefactError, load, save
from model.classifier import Classifier
from tests.support.artefacts import untrained
from tests.support.curves import context_rows, curve, runs_of

NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("artefact")
    save(made, untrained())
    return made


@pytest.fixture(scope="module")
def saved(folder: Path) -> dict:
    return json.loads((folder / MANIFEST).read_text())


def one_sentence(refusal: str, folder: Path) -> None:
    assert "\n" not in refusal
    assert str(folder) in refusal
    assert len(refusal) < 600


def loaded(folder: Path, manifest: object) -> None:
    """Load what is left of an artefact, and classify with it; a refusal has to be one sentence."""
    (folder / MANIFEST).write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    try:
        artefact = load(folder)
    except ArtefactError as error:
        one_sentence(str(error), folder)
        raise
    for priors in ("balanced", "natural"):
        classifier = Classifier(artefact, device="cpu", priors=priors)
        verdicts, _ = classifier.classify(runs_of(classifier.start_state, [curve(12), curve(1)], context_rows(2)))
        assert np.isfinite(verdicts.probabilities).all()
        assert np.isfinite(verdicts.anomaly_scores).all()


def test_what_was_saved_is_usable(folder, saved):
    loaded(folder, saved)


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("network", "hidden"), -8, "hidden is -8"),
        (("network", "hidden"), 9, "an even one"),
        (("network", "hidden"), 8.5, "a whole number"),
        (("network", "hidden"), 2**40, "hidden is 1099511627776"),
        (("network", "hidden"), 4096, "shape"),
        (("network", "layers"), 10**12, "layers"),
        (("network", "layers"), True, "layers is True"),
        (("network", "head"), "192", "head is"),
        (("network", "embedding"), None, "embedding is None"),
        (("network", "inputs"), 26, "inputs is 26"),
        (("network", "dropout"), 1.5, "dropout is 1.5"),
        (("network", "dropout"), NAN, "dropout is nan"),
        (("network", "colour"), 1, "colour"),
        (("anomaly", "thresholds", 0), "3", "thresholds: one is '3'"),
        (("anomaly", "thresholds", 69), None, "thresholds: one is None"),
        (("anomaly", "thresholds", 1), NAN, "thresholds: one is nan"),
        (("anomaly", "thresholds", 2), INF, "thresholds: one is inf"),
        (("anomaly", "thresholds", 3), -1, "thresholds: one is -1"),
        (("anomaly", "thresholds"), [3.0] * 69, "thresholds are not 70 numbers"),
        (("anomaly", "thresholds"), 3.0, "thresholds are not 70 numbers"),
        (("anomaly", "days"), [1, 2, 3], "days are .*, they must be"),
        (("anomaly", "detections"), None, "detections are None, they must be"),
        (("anomaly", "threshold"), 3.0, "'threshold' too many"),
        (("anomaly", "false_alarm_rate"), 2, "false_alarm_rate is 2"),
        (("temperature",), 1e-320, "temperature is 1e-320"),
        (("temperature",), INF, "temperature is inf"),
        (("temperature",), 10**400, "temperature is 1000"),
        (("temperature",), True, "temperature is True"),
        (("class_frequencies",), [INF] * 14, "class_frequencies: one is inf"),
        (("class_frequencies",), [NAN] * 14, "class_frequencies: one is nan"),
        (("class_frequencies",), [0.5] * 14, "sum to 7"),
        (("class_frequencies",), [0.0] * 13 + [1.0], "one is 0.0"),
        (("class_frequencies",), ["1"] * 14, "one is '1'"),
        (("classes",), [[[]]] * 14, "at place 0"),
        (("name",), "", "the name is"),
        (("name",), "two\nlines", "the name is"),
        (("name",), "\ud800", "the name is"),
        (("name",), "x" * 1000, "the name is"),
        (("format",), 10**4000, "format"),
        (("record",), None, "record"),
        (("weights_sha256",), 5, "weights_sha256"),
    ],
)
def test_a_value_that_cannot_be_is_named(folder, saved, place, value, why):
    changed = copy.deepcopy(saved)
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(ArtefactError, match=why):
        loaded(folder, changed)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"record":' * 100_000, '{"temperature": ' + "9" * 10_000 + "}"])
def test_text_that_python_itself_stumbles_over(folder, text):
    with pytest.raises(ArtefactError, match=r"nested|no JSON"):
        loaded(folder, text)


ODD = st.sampled_from(
    [None, True, False, 0, 1, -1, 2**63, 10**400, 1e308, 1e-320, NAN, INF, -INF, "", "x", "1", "\ud800", [], {}, [[]]]
)


@given(st.randoms(use_true_random=False), st.lists(ODD, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_random_edits_leave_an_artefact_that_works_or_a_refusal(folder, saved, choice: random.Random, values):
    changed = copy.deepcopy(saved)
    for value in map(copy.deepcopy, values):  # each its own: a list put into itself is no JSON
        at = changed
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = choice.choice(keys) if keys else None
            if key is None or not isinstance(at[key], dict | list) or choice.random() < 0.3:
                break
            at = at[key]
        what = choice.random()
        if key is None or (what < 0.2 and isinstance(at, dict)):
            at.update({"strange": value}) if isinstance(at, dict) else at.append(value)
        elif what < 0.4:
            del at[key]
        else:
            at[key] = value
    with suppress(ArtefactError):
        loaded(folder, changed)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("network.lstm.weight_hh_l0", lambda t: t[:, :-1], "shape"),
        ("network.input_scale", lambda t: t * 0, "not above 0"),
        ("network.statistic_scale", lambda t: -t, "not above 0"),
        ("network.classes.1.weight", lambda t: t * 1e30, "weights that are not finite"),
        ("network.classes.1.weight", lambda t: t * NAN, "weights that are not finite"),
        ("network.classes.1.weight", lambda t: t.double(), "float32"),
        ("network.classes.1.weight", lambda t: t.to(torch.int64), "float32"),
        ("network.unknown", lambda _: torch.zeros(3), "unknown"),
        ("anomaly.projection", lambda t: t[:-1], "shape"),
        ("anomaly.projection", lambda _: torch.tensor(1.0), "shape"),
        ("anomaly.prototypes", lambda t: t[:0], "shape"),
        ("anomaly.prototypes", lambda t: t[:, :-1], "shape"),
        ("anomaly.prototypes", lambda _: torch.tensor(1.0), "shape"),
    ],
)
def test_weights_that_cannot_be_are_named(tmp_path, name, change, why):
    save(tmp_path, untrained())
    tensors = load_tensors((tmp_path / WEIGHTS).read_bytes())
    tensors[name] = change(tensors.get(name)).contiguous()
    raw = save_tensors(tensors)
    (tmp_path / WEIGHTS).write_bytes(raw)
    manifest = json.loads((tmp_path / MANIFEST).read_text()) | {"weights_sha256": sha256(raw).hexdigest()}
    with pytest.raises(ArtefactError, match=why):
        loaded(tmp_path, manifest)


def test_weights_that_are_missing_are_named(tmp_path):
    save(tmp_path, untrained())
    raw = save_tensors({"anomaly.projection": torch.zeros(3, 3)})
    (tmp_path / WEIGHTS).write_bytes(raw)
    manifest = json.loads((tmp_path / MANIFEST).read_text()) | {"weights_sha256": sha256(raw).hexdigest()}
    with pytest.raises(ArtefactError, match=r"anomaly\.prototypes"):
        loaded(tmp_path, manifest)


def test_a_file_of_terabytes_is_not_read(tmp_path):
    save(tmp_path, untrained())
    with (tmp_path / WEIGHTS).open("r+b") as file:
        file.truncate(2**41)  # takes no room on the disk
    with pytest.raises(ArtefactError, match="2199023255552 bytes"):
        load(tmp_path)
