import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.anomaly import TABLE
from model.artefact import DEFAULT, MANIFEST, WEIGHTS, ArtefactError, load, save
from model.manifest import FORMAT
from tests.support.artefacts import untrained


def edit(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path, untrained())
    return tmp_path


def test_old_bug_4_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    made = untrained()
    made.network.input_mean.fill_(3.0)
    save(tmp_path, made)
    read = load(tmp_path)
    assert read.temperature == made.temperature
    assert torch.equal(read.network.input_mean, made.network.input_mean), "the scaler travels with the weights"
    assert torch.equal(read.anomaly.prototypes, made.anomaly.prototypes)
    for name, value in made.network.state_dict().items():
        assert torch.equal(read.network.state_dict()[name], value)


def test_old_bug_5_it_loads_in_evaluation_mode(folder: Path) -> None:
    network = load(folder).network
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    first = save(tmp_path / "a", untrained())
    assert first.digest == save(tmp_path / "b", untrained()).digest
    assert first.digest != save(tmp_path / "c", untrained(temperature=1.3)).digest
    assert len(first.digest) == 64


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="misweeper-train fit"):
        load(tmp_path / "nowhere")


def test_missing_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(ArtefactError, match=WEIGHTS):
        load(folder)


@pytest.mark.parametrize("damage", [lambda b: b[:-10], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda _: b""])
def test_damaged_weights(folder: Path, damage) -> None:
    path = folder / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtefactError, match="damaged"):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}'])
def test_a_manifest_that_is_none(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ArtefactError, match=MANIFEST):
        load(folder)


@pytest.mark.parametrize("key", ["inputs", "statistics", "classes"])
def test_old_bug_2_columns_in_another_order_are_refused(folder: Path, key: str) -> None:
    columns = json.loads((folder / MANIFEST).read_text())[key]
    edit(folder, **{key: columns[1:] + columns[:1]})
    with pytest.raises(ArtefactError, match=f"{key}.*at place 0"):
        load(folder)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("format", 1, "format 1"),
        ("temperature", 0, "temperature"),
        ("temperature", float("nan"), "temperature"),
        ("class_frequencies", [0.5, 0.5], "class_frequencies"),
        ("network", {"hidden": 9}, "train it again"),
        ("network", {"colour": 9}, "train it again"),
        ("anomaly", {}, "train it again"),
    ],
)
def test_values_that_cannot_be(folder: Path, key: str, value: object, why: str) -> None:
    edit(folder, **{key: value})
    with pytest.raises(ArtefactError, match=why):
        load(folder)


def test_an_artefact_of_the_format_before_has_its_one_threshold_everywhere(folder: Path) -> None:
    edit(folder, format=2, anomaly={"threshold": 4.5, "false_alarm_rate": 0.01})
    old = load(folder)
    assert (old.anomaly.thresholds == 4.5).all()
    assert old.anomaly.thresholds.shape == TABLE
    kept = save(folder, old)
    assert kept.anomaly.thresholds.equal(old.anomaly.thresholds)
    assert json.loads((folder / MANIFEST).read_text())["format"] == FORMAT
    for strange in ({"threshold": 4.5}, {"threshold": "4.5", "false_alarm_rate": 0.01}, {"thresholds": [4.5] * 70}):
        edit(folder, format=2, anomaly=strange)
        with pytest.raises(ArtefactError, match="train it again"):
            load(folder)


def test_thresholds_are_read_back_as_they_were(tmp_path: Path) -> None:
    made = untrained()
    table = torch.arange(70.0).reshape(TABLE) / 8
    kept = save(tmp_path, replace(made, anomaly=replace(made.anomaly, thresholds=table)))
    assert kept.anomaly.thresholds.equal(table)


def test_a_record_with_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="NaN"):
        save(tmp_path, replace(untrained(), record={"wll": float("nan")}))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    made = untrained()
    made.network.input_mean.fill_(float("nan"))
    with pytest.raises(ArtefactError, match="finite"):
        save(tmp_path, made)


def test_the_shipped_artefact_loads_and_reached_its_goal() -> None:
    shipped = load(DEFAULT)
    metrics = shipped.record["metrics"]
    assert metrics["wll"]["full"] <= 0.37
    assert metrics["objects"] > 1500
    assert sum(p.numel() for p in shipped.network.parameters()) <= 1_000_000
    assert (DEFAULT / "MODEL_CARD.md").read_text().startswith(f"# {shipped.name}")
