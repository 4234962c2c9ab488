import pytest

from broker.web.steps import known, steps, versions
from broker.web.views import answer
from tests.support.said import said
from tests.support.webpage import rows_of


def told(*some):
    return [answer(said("a", i, best=best, version=version) | {"id": i}) for i, (best, version) in enumerate(some)]


def test_each_step_says_which_class_moved_most():
    first, second = steps(told((90, "v1"), (42, "v1")))
    assert first["change"] is None
    assert second["moved"] in ("SN Ia", "SN II")
    assert abs(second["change"]) == pytest.approx(0.72)


def test_an_answer_is_compared_with_the_one_before_of_the_same_model():
    found = steps(told((90, "v1"), (42, "v2"), (90, "v1"), (42, "v2")))
    assert [step["change"] for step in found] == [None, None, 0, 0]


def test_the_models_that_answered_the_latest_first():
    found = versions(told((90, "v1"), (90, "v1"), (42, "v2")))
    assert [(v.version, v.answers) for v in found] == [("v2", 1), ("v1", 2)]
    assert versions([]) == []


def test_what_is_known_is_points_by_band_and_their_time():
    rows = rows_of((1.0, 1.0, 1.0, 2, False), (2.5, 1.0, 1.0, 1, True), (4.0, 1.0, 1.0, 2, True))
    assert known("rubin", rows) == (2, 1, None, [("g", 1), ("r", 2)], 3.0)
    assert known("ztf", rows_of((0.5, 0.0, 1.0, 2, False), *rows.tolist())) == (2, 1, 1, [("g", 1), ("r", 3)], 3.5)
    assert known("rubin", rows_of()) == (0, 0, None, [], 0.0)
