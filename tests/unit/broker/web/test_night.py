from collections import Counter

import pytest

from broker.errors import TransientError
from broker.kafka.spans import Span
from broker.web.drawing import light_curve
from broker.web.night import STRANGEST, Counted, Night, Strange, draw, top, totals_of
from broker.web.views import answer
from tests.support.curves import curve
from tests.support.said import said
from tests.support.webpage import site


def night(**changes):
    one = Strange(answer(said("<script>alert(1)</script>") | {"id": 0}), light_curve("plasticc", curve(20)))
    values = {
        "begin_ms": 1_795_000_000_000,
        "end_ms": 1_795_086_400_000,
        "recount": {"clean": True, "totals": {"published": 12_345, "dead_letter": 2}, "defects": {}, "nameless": 0},
        "classes": Counter({("ztf", 90): 30, ("ztf", 42): 10, ("rubin", 90): 1}),
        "before": Counter({("ztf", 90): 1, ("ztf", 42): 1}),
        "latencies_s": {"50 %": 0.01, "99 %": 0.2},
        "objects": 3,
        "anomalies": 1,
        "strange": [one],
        "trouble": "",
    }
    return Night(**values | changes)


def test_the_page_of_a_night_needs_nothing_else_and_runs_nothing():
    html = night().html("night of 2026-11-25", "body { color: red }")
    assert "<script" not in html
    assert "src=" not in html
    assert "href=" not in html
    assert "default-src 'none'" in html
    assert "&lt;script&gt;" in html
    assert html.count("<svg") == 1
    assert "12,345" in html


def test_the_nearest_class_of_a_strange_object_is_the_records_own():
    one = Strange(answer(said("a", best=90, nearest="TDE") | {"id": 0}), None)
    assert "nearest TDE, most probable SN Ia (0.74)" in night(strange=[one]).html("t", "")
    assert "nearest" not in night().html("t", "")


def test_offsets_that_do_not_reconcile_are_told():
    recount = night().recount | {"clean": False, "defects": {"gap": 3}, "nameless": 1}
    html = night(recount=recount).html("t", "")
    assert "not this night" in html
    assert "1 outputs do not name" in html


def test_classes_are_shares_of_their_survey_beside_those_of_the_night_before():
    assert [(r["survey"], r["name"], r["share"], r["was"]) for r in night().mix()] == [
        ("rubin", "SN Ia", 1.0, None), ("ztf", "SN Ia", 0.75, 0.5), ("ztf", "SN II", 0.25, 0.5),
    ]  # fmt: skip
    assert totals_of(night().classes) == {"ztf": 40, "rubin": 1}


def test_drift_is_what_has_moved_to_other_classes_those_that_are_gone_too():
    made = night(
        classes=Counter({("ztf", 90): 30, ("ztf", 42): 10, ("rubin", 90): 1}),
        before=Counter({("ztf", 90): 2, ("ztf", 15): 2}),
    )
    assert made.drift() == {"ztf": pytest.approx(0.5)}  # a quarter came to SN Ia, one to SN II, half went from TDE
    assert [(r["name"], r["count"], r["was"]) for r in made.mix() if r["survey"] == "ztf"] == [
        ("SN Ia", 30, 0.5), ("SN II", 10, 0.0), ("TDE", 0, 0.5),
    ]  # fmt: skip
    html = made.html("t", "")
    assert "ztf: 50 % of the answers lie in other classes" in html
    assert "misweeper_input_drift_psi" in html
    assert "Nothing of the night before" in night(before=Counter()).html("t", "")


def test_only_answers_to_the_nights_alerts_are_counted_whenever_they_came():
    counted = Counted([Span("alerts", 0, 10, 20)], [Span("alerts", 0, 5, 10)])
    late = 10 * 3_600_000
    for offset in range(30):  # of the night before, of the night, of its successor's first hour
        counted.take(said(f"o{offset % 3}", offset, anomaly=int(offset in {12, 22}), best=90))
    counted.take(said("o9", 19, published_ms=1_795_000_000_000 + late))
    counted.take(said("o8", 15, source_partition=1))
    counted.take(said("o8", 15, source_topic="others"))
    assert (counted.classes, counted.before) == ({("plasticc", 90): 11}, {("plasticc", 90): 5})
    assert (counted.objects.count(), counted.anomalies, list(counted.strangest)) == (4, 1, ["plasticc/o0"])
    assert counted.latencies.quantile_s(0.5) < 1 < counted.latencies.quantile_s(0.99)


def test_the_strangest_are_few():
    some = {str(i): {"score": float(i)} for i in range(100)}
    assert [name for name, _ in top(some)] == [str(i) for i in range(99, 99 - STRANGEST, -1)]


def test_light_curves_that_cannot_be_read_leave_the_rest(tmp_path):
    def away(*_, **__):
        raise TransientError("redis", "away")

    with site(tmp_path) as page:
        page.remember("ztf/a", (1.0, 5.0, 1.0, 1, True))
        drawn, trouble = draw(page.parts.curves, ["ztf/a", "ztf/none"])
        assert (list(drawn), trouble) == (["ztf/a"], "")
        page.store.read = away
        assert draw(page.parts.curves, ["ztf/a"]) == ({}, "redis: away")
    html = night(strange=[], trouble="<b>away").html("t", "")
    assert "&lt;b&gt;away" in html
