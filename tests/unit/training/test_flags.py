from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from model.anomaly import DAYS, DETECTIONS, TABLE
from model.artefact import load, save
from model.classifier import Classifier
from tests.support.artefacts import untrained
from tests.support.plasticc import objects
from tests.support.skies import write_sky
from training import cli, flags
from training.answers import Answers, answers
from training.dataset import NOTHING_KNOWN
from training.files import DataError
from training.flags import ALERTS, EVER, STEPS, cells, flagged, nearest, raised, thresholds, with_table, with_thresholds
from training.skies import read_skies
from training.views import viewed

DATA = objects(per_class=20)


def made(scores: np.ndarray, each: int) -> Answers:
    """Answers with these scores [M], all alerts, `each` an object."""
    size = len(scores)
    place = np.tile(np.arange(each), size // each)
    owner = np.repeat(np.arange(size // each), each)
    return Answers(
        owner, place + 1, place + 1, place * 2.0, np.ones(size, bool), np.zeros((size, 14), np.float32), scores,
        np.zeros(size, np.float32), np.zeros(size, bool), np.flatnonzero(place == each - 1),
    )  # fmt: skip


def test_the_promised_share_is_flagged_at_every_age(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    each = 16
    data = DATA.take(rng.integers(0, len(DATA), 2000))
    data = replace(data, contexts=np.full(len(data), NOTHING_KNOWN))
    age = np.tile(np.arange(each), 2000)
    given = made((rng.exponential(1, len(age)) * (1 + age)).astype(np.float32), each)
    table = thresholds([(data, given)], 0.01)
    above = given.scores > table[tuple(cells(data, given))]
    for place in range(each):
        assert above[age == place].mean() == pytest.approx(0.01, abs=0.03)
    for row in range(5):
        own = np.searchsorted(DETECTIONS, given.detections) == row
        assert above[own].mean() == pytest.approx(0.01, abs=0.004)
    assert (table[0] > 0).all()
    assert (table[1] == 0).all()  # no object's redshift is known


def test_the_view_that_needs_the_highest_threshold_decides() -> None:
    low, high = (made(np.full(400, value, np.float32), 4) for value in (2.0, 5.0))
    data = DATA.take(np.arange(100))
    table = thresholds([(data, low), (data, high)], 0.01)
    assert table[tuple(cells(data, low))].min() == 5


def test_cells_with_few_alerts_are_judged_with_those_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags, "FEWEST", 3)
    where = np.array([[0, 0, 0, 0, 0, 1], [1, 1, 1, 2, 2, 1], [0, 0, 0, 0, 1, 0]])
    assert nearest(where, (0, 1, 0)).tolist() == [True, True, True, False, False, False]
    assert nearest(where, (0, 1, 4)).tolist() == [True, True, True, False, False, False]
    assert nearest(where, (0, 2, 0)).tolist() == [True] * 5 + [False]
    assert nearest(where, (1, 6, 4)).tolist() == [False] * 5 + [True]


def test_flags_that_are_counted_are_raised_and_remembered_as_the_service_does() -> None:
    artefact = untrained()
    scores = answers(Classifier(artefact, device="cpu"), DATA).scores
    table = np.quantile(scores, np.random.default_rng(0).uniform(0.3, 0.9, np.prod(TABLE))).reshape(TABLE)
    given = answers(Classifier(with_table(artefact, table, 0.1), device="cpu"), DATA)
    flags = raised(DATA, given, table)
    assert flags.tolist() == given.flagged[given.alert].tolist()
    plain = given.scores[given.alert] > table[tuple(cells(DATA, given)[:, given.alert])]
    assert (flags & ~plain).any(), "some are flagged because they were"


def test_the_shares_of_alerts_and_of_objects_ever_flagged_are_kept() -> None:
    artefact = untrained()
    shown = [DATA, viewed(DATA, "rubin", 0)]
    found = with_thresholds(artefact, shown).anomaly
    assert found.thresholds.shape == TABLE
    assert 0 < found.false_alarm_rate <= ALERTS
    classifier = Classifier(artefact, device="cpu")
    for view in shown:
        alerts, ever = flagged(view, answers(classifier, view), found.thresholds.numpy())
        assert ever <= EVER
        assert alerts <= ALERTS or found.false_alarm_rate == ALERTS * STEPS[-1], "no less was tried"
    assert len(DAYS) + 1 == TABLE[2]


def test_a_survey_sets_the_thresholds_from_its_own_unlabelled_light_curves(tmp_path: Path) -> None:
    save(tmp_path / "artefact", untrained())
    (tmp_path / "sky").mkdir()
    write_sky(tmp_path / "sky", "own", [-1] * 60, each=20, redshift=np.nan, mwebv=np.nan)
    common = ["--artefact", str(tmp_path / "artefact"), "--from", str(tmp_path / "sky"), "--rate", "0.02"]
    done = CliRunner().invoke(cli.app, ["thresholds", *common, "--out", str(tmp_path / "own")])
    assert done.exit_code == 0, done.output
    before, after = load(tmp_path / "artefact"), load(tmp_path / "own")
    assert after.digest != before.digest
    assert after.anomaly.thresholds[1].equal(before.anomaly.thresholds[1])  # with a redshift: none was seen
    assert not after.anomaly.thresholds[0].equal(before.anomaly.thresholds[0])
    assert all(v.equal(after.network.state_dict()[k]) for k, v in before.network.state_dict().items())
    assert after.record["thresholds"] == {"objects": 60, "sets": ["own"], "rate": 0.02}
    given = answers(Classifier(after, device="cpu"), read_skies(tmp_path / "sky")[0].objects)
    assert 0 < given.flagged[given.alert].mean() < 0.05
    with pytest.raises(DataError, match="is the artefact itself; name another directory"):
        CliRunner().invoke(
            cli.app, ["thresholds", *common, "--out", str(tmp_path / "artefact")], catch_exceptions=False
        )
