from dataclasses import replace

import numpy as np
import pytest

from model.anomaly import DAYS, DETECTIONS, TABLE
from model.classifier import Classifier
from tests.support.artefacts import untrained
from tests.support.plasticc import objects
from training import flags
from training.answers import Answers, answers
from training.dataset import NOTHING_KNOWN
from training.flags import ALERTS, EVER, cells, ever, nearest, thresholds, with_thresholds
from training.views import viewed

DATA = objects(per_class=20)


def made(scores: np.ndarray, each: int) -> Answers:
    """Answers with these scores [M], all alerts, `each` an object."""
    size = len(scores)
    place = np.tile(np.arange(each), size // each)
    owner = np.repeat(np.arange(size // each), each)
    return Answers(
        owner, place + 1, place + 1, place * 2.0, np.ones(size, bool), np.zeros((size, 14), np.float32), scores,
        np.zeros(size, bool), np.flatnonzero(place == each - 1),
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
    assert (table > 0).all()  # where no alert was, the highest of all


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


def test_the_share_of_objects_ever_flagged_is_kept_too() -> None:
    artefact = untrained()
    shown = [DATA, viewed(DATA, "rubin", 0)]
    found = with_thresholds(artefact, shown).anomaly
    assert found.thresholds.shape == TABLE
    assert 0 < found.false_alarm_rate <= ALERTS
    classifier = Classifier(artefact, device="cpu")
    for view in shown:
        assert ever(view, answers(classifier, view), found.thresholds.numpy()) <= EVER
    assert len(DAYS) + 1 == TABLE[2]
