import pytest

from broker.web.views import answer, class_named, observed, summary
from tests.support.said import said
from tests.support.webpage import rows_of


def test_an_answer_has_its_classes_by_falling_probability_and_names_where_it_came_from():
    found = answer(said("a", 3, best=42) | {"id": 9})
    assert (found.classes[0].name, found.classes[0].probability) == ("SN II", pytest.approx(0.74))
    assert len(found.classes) == 14
    assert sum(c.probability for c in found.classes) == pytest.approx(1.0)
    assert (found.alert_id, found.source, found.published_at) == (
        str(2**60 + 3), "alerts[0]@3", "misweeper.classifications[0]@3",
    )  # fmt: skip


def test_an_object_may_have_no_place_and_a_distance_from_where_it_was_searched():
    row = said("a") | {"first_mjd": 1.0, "alerts": 2}
    assert (summary(row).ra, summary(row).separation_deg) == (None, None)
    assert summary(row | {"separation_deg": 0.5}).separation_deg == 0.5


def test_a_class_that_nobody_knows_has_its_number():
    assert class_named(4711, 0.5).name == "4711"


def test_points_have_magnitudes_where_something_is_seen():
    bright, faint = observed("ztf", rows_of((1.0, -3631.0, 36.31, 5, True), (2.0, 1.0, 1.0, 0, False)))
    assert (bright.band, bright.magnitude) == ("y", pytest.approx(22.5, abs=0.001))
    assert (faint.band, faint.magnitude, faint.magnitude_err) == ("u", None, None)
    assert (bright.kind, faint.kind, faint.depth) == ("detection", "forced", None)
    assert observed("ztf", rows_of()) == []


def test_a_limit_says_how_deep_it_is_and_of_a_survey_without_limits_it_is_a_measurement():
    rows = rows_of((1.0, 0.0, 3631.0 / 5, 2, False))
    (limit,), (forced,) = observed("ztf", rows), observed("rubin", rows)
    assert (limit.kind, limit.depth, limit.depth_magnitude) == (
        "limit",
        pytest.approx(3631.0),
        pytest.approx(22.5, abs=1e-3),
    )
    assert (limit.magnitude, limit.detected) == (None, False)
    assert (forced.kind, forced.depth, forced.depth_magnitude) == ("forced", None, None)
