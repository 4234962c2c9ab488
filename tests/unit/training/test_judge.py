import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from model.artefact import load, save
from model.classifier import Classifier
from tests.support.artefacts import untrained
from tests.support.plasticc import objects
from tests.support.skies import write_sky
from training import cli, metrics, sky_tables
from training.answers import Answers, answers, asked
from training.batches import cut
from training.calibrate import what_was_seen
from training.judge import POINTS, judge, of_objects, stability
from training.said import DAYS
from training.skies import read_skies
from training.train import read_out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skies")
    save(folder / "artefact", untrained())
    write_sky(folder, "ztf_snia", [90] * 12 + [67, -1], seed=1)
    write_sky(folder, "elasticc", [90] * 8 + [42] * 8, each=20, seed=2)
    write_sky(folder, "others", [-1, -1], seed=3)
    return folder


def test_answers_are_those_of_whole_curves_after_each_detection_and_the_last_observation(folder: Path) -> None:
    data = objects(per_class=2)
    artefact = replace(load(folder / "artefact"), seen=what_was_seen([data]))
    given = answers(Classifier(artefact, device="cpu"), data)
    for i, curve in enumerate(data.curves):
        own = given.owner == i
        places = given.points[own] - 1
        assert places.tolist() == sorted({*np.flatnonzero(curve["detected"]), len(curve) - 1})
        logits, _ = read_out(artefact.network, data.take(np.array([i])), places[None])
        chances = (logits[0] / artefact.temperature).softmax(dim=1).numpy()
        bands = np.array([len(set(curve["band"][: place + 1])) for place in places])
        enough = (given.detections[own] > 1) & (bands > 1)  # before that the answer falls back towards the priors
        assert enough.any()
        assert given.probabilities[own][enough] == pytest.approx(chances[enough], abs=1e-5)
        assert given.alert[own].tolist() == curve["detected"][places].tolist()
        assert given.detections[own].tolist() == np.cumsum(curve["detected"])[places].tolist()
        for days, place in zip(given.days[own], places, strict=True):
            assert cut(curve, days=days) == place + 1
        assert given.points[given.last[i]] == len(curve)


def test_a_curve_without_a_detection_is_answered_once() -> None:
    curve = objects(per_class=1).curves[0].copy()
    curve["detected"] = False
    assert asked(curve).tolist() == [len(curve) - 1]


def test_figures_are_those_counted_by_hand(folder: Path) -> None:
    artefact = load(folder / "artefact")
    found = judge(artefact, read_skies(folder))
    own = found["sets"]["ztf_snia"]
    assert (own["objects"], own["others"]) == (13, 1)
    assert found["sets"]["others"]["objects"] == 0
    assert 0 <= found["sets"]["others"]["with"]["flagged_others"] <= 1
    sky = next(s for s in read_skies(folder) if s.name == "ztf_snia")
    known = sky.objects.take(np.arange(13))
    given = answers(Classifier(artefact, device="cpu", priors="natural"), known)
    right = given.probabilities[given.last].argmax(axis=1) == np.array([11] * 12 + [9])
    assert own["with"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert own["with"]["recall"]["90"]["value"] == pytest.approx(right[:12].mean())
    assert own["with"]["recall"]["90"]["objects"] == 12
    flags = given.flagged & given.alert
    assert own["with"]["flagged_alerts"]["value"] == pytest.approx(flags.sum() / given.alert.sum())
    assert own["with"]["flagged_objects"]["value"] == pytest.approx(len(set(given.owner[flags])) / 13)
    assert own["with"]["by_points"]["8"]["objects"] == 13
    assert own["with"]["by_points"]["16"] == {"objects": 0}
    assert own["with"]["by_points"]["8"]["accuracy"] == own["with"]["accuracy"]
    assert own["with"]["by_days"]["100"]["accuracy"] == own["with"]["accuracy"]
    assert set(own["with"]["by_points"]) == {str(n) for n in POINTS}
    assert set(own["with"]["by_days"]) == {f"{d:g}" for d in DAYS}
    assert sum(bin_["alerts"] for bin_ in own["with"]["flagged_by_days"].values()) == given.alert.sum()
    assert sum(own["with"]["reliability"]["objects"]) == 13


def test_the_rows_over_all_sets(folder: Path) -> None:
    found = judge(load(folder / "artefact"), read_skies(folder))
    rows = found["rows"]["with"]
    assert rows["labelled skies, mean recall"]["classes"] == 3
    by_class = {}
    for own in found["sets"].values():
        for number, share in own.get("with", {}).get("recall", {}).items():
            by_class.setdefault(number, []).extend([share["value"]] * share["objects"])
    expected = np.mean([np.mean(shares) for shares in by_class.values()])
    assert rows["labelled skies, mean recall"]["value"] == pytest.approx(expected)
    assert rows["ZTF SN Ia called SN Ia"]["objects"] == 12
    assert "Rubin quasars called AGN" not in rows
    assert rows["ELAsTiCC, ECE"] == found["sets"]["elasticc"]["with"]["ece"]
    assert rows["ZTF SN Ia, objects flagged"] == found["sets"]["ztf_snia"]["with"]["flagged_objects"]
    assert not any(name.startswith("MALLORN") for name in rows)
    assert rows["ELAsTiCC, SN Ia against SN II, AUROC"]["objects"] == 16
    assert 0 <= rows["flagged, worst age"]["value"] <= 1


def test_stability_is_counted_from_alert_to_alert_of_one_object() -> None:
    chances = np.zeros((7, 14), np.float32)
    chances[[0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 2, 3, 3]] = 1
    chances[1] = 0
    chances[1, :2] = 0.75, 0.25
    alert = np.array([1, 1, 1, 1, 1, 0, 1], bool)
    owner = np.array([0, 0, 0, 1, 1, 1, 1])
    given = Answers(owner, owner, owner, owner * 1.0, alert, chances, owner, owner, alert, np.array([2, 6]))
    found = stability(given, 2)
    assert found["changes"]["value"] == pytest.approx(2 / 4)  # 0 to 1 of the one, 2 to 3 of the other
    assert found["distance"]["value"] == pytest.approx((0.25 + 0.75 + 0 + 1) / 4)


def test_objects_of_a_view_are_judged_as_those_of_a_sky(folder: Path) -> None:
    data = objects(per_class=3)
    found = of_objects(load(folder / "artefact"), "rubin", data)
    assert found["by_days"]["100"]["objects"] == len(data)
    assert set(found["recall"]) == {str(c) for c in set(data.labels.tolist())}


def test_bootstrap_errors_are_those_of_resampled_objects(folder: Path) -> None:
    own = judge(load(folder / "artefact"), read_skies(folder))["sets"]["elasticc"]["without"]
    share = own["recall"]["90"]["value"]
    assert own["recall"]["90"]["error"] == pytest.approx(np.sqrt(share * (1 - share) / 8))
    assert 0 <= own["accuracy"]["error"] < 1 / np.sqrt(16)
    assert metrics.RESAMPLES >= 200


def test_the_rows_are_kept_in_the_artefact(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "artefact", tmp_path / "artefact")
    common = ["evaluate", "--sky", str(folder), "--artefact", str(tmp_path / "artefact")]
    kept = CliRunner().invoke(cli.app, [*common, "--keep", "--json", "-"])
    assert kept.exit_code == 0, kept.output
    after, before = load(tmp_path / "artefact"), load(folder / "artefact")
    assert after.record["skies"] == json.loads(kept.output)["rows"]
    assert after.digest != before.digest
    assert after.record | {"skies": None} == before.record | {"skies": None}


def test_the_command_prints_tables_markdown_and_json(folder: Path, tmp_path: Path) -> None:
    common = ["evaluate", "--sky", str(folder), "--artefact", str(folder / "artefact")]
    shown = CliRunner().invoke(cli.app, [*common, "--json", str(tmp_path / "sky.json")])
    assert shown.exit_code == 0, shown.output
    for words in ("Over all sets", "By set", "By class", "labelled skies, mean recall", "ztf_snia", "90 SN Ia"):
        assert words in shown.output
    kept = json.loads((tmp_path / "sky.json").read_text())
    assert kept["artefact"] == load(folder / "artefact").name
    printed = CliRunner().invoke(cli.app, [*common, "--json", "-"])
    assert json.loads(printed.output) == kept
    marked = CliRunner().invoke(cli.app, [*common, "--markdown"])
    assert marked.output.count("|---") >= 3
    assert "| ztf_snia | with redshift | 13 |" in marked.output
    for by in ("by_points", "by_days"):
        table = sky_tables.by_age(kept["sets"]["elasticc"]["with"], by)
        assert len({len(cells) for cells in table}) == 1
        assert len(table) > 5
