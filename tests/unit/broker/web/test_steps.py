import pytest

from broker.web.shapes import Observed
from broker.web.steps import known, steps, versions
from broker.web.views import answer
from tests.support.said import said


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
    def observed(mjd, band, detected):
        return Observed(
            mjd=mjd, band=band, flux=1.0, flux_err=1.0, magnitude=None, magnitude_err=None, detected=detected
        )

    found = known([observed(1.0, "r", False), observed(2.5, "g", True), observed(4.0, "r", True)])
    assert found == (2, 1, [("g", 1), ("r", 2)], 3.0)
    assert known([]) == (0, 0, [], 0.0)
