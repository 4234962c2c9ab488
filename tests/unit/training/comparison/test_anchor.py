import numpy as np
import pytest

from model.features import STATISTICS
from model.scores import class_columns, weighted_log_loss
from tests.support.plasticc import objects
from training.comparison import anchor
from training.evaluate import CUTS


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor, "ROUNDS", 3)
    monkeypatch.setattr(anchor, "SETTINGS", anchor.SETTINGS | {"learning_rate": 0.5, "min_data_in_leaf": 2})


def test_it_learns_at_every_cut(quick: None) -> None:
    training, test = objects(per_class=8), objects(per_class=2, seed=1)
    steps: list[int] = []
    balanced, natural, seconds = anchor.classify(training, test, test, steps.append)
    assert balanced.shape == natural.shape == (len(test), len(CUTS), 14)
    assert balanced.sum(axis=2) == pytest.approx(np.ones(balanced.shape[:2]), abs=1e-5)
    assert weighted_log_loss(balanced[:, 0], test.labels) < 2.3
    assert sum(steps) == len(CUTS)
    assert seconds > 0


def test_the_same_data_give_the_same_model(quick: None) -> None:
    data = objects(per_class=4)
    rows, columns = anchor.features(data)[0], class_columns(data.labels)
    one, other = (anchor.fit(rows, columns, rows, columns) for _ in range(2))
    assert one.model_to_string() == other.model_to_string()


def test_law_9_features_at_a_cut_know_only_what_was_seen_then() -> None:
    data = objects(per_class=2)
    cut = list(CUTS).index("d10")
    ends = anchor.lengths(data)[:, cut]
    short = type(data)(
        data.ids, data.labels, data.contexts, data.positions_deg,
        tuple(c[:n] for c, n in zip(data.curves, ends, strict=True)),
    )  # fmt: skip
    assert anchor.features(data)[cut] == pytest.approx(anchor.features(short)[0])


def test_colours_are_differences_of_named_columns() -> None:
    statistics = np.arange(2.0 * len(STATISTICS), dtype=np.float32).reshape(2, -1)
    found = anchor.colours(statistics)
    assert found.shape == (2, 32)
    place = STATISTICS.index
    assert found[1, 0] == statistics[1, place("max_u")] - statistics[1, place("max_g")]
