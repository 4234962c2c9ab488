"""What the page shows of one object and of many anomalies, in a real browser: marks, lines, rows, and a phone."""

from collections import Counter, defaultdict
from io import BytesIO
from urllib.parse import quote

import fastavro
import pytest
from playwright.sync_api import expect

from broker.packets.framings import encode
from broker.replays.ztf import ztf_packets
from tests.support.browser import Watched
from tests.support.night import ALERTS, api, busiest
from tests.support.replayed import curve
from tests.support.service import eventually


def with_few_forced(value):
    """A packet of ZTF with but one forced point: where there is one, it is what is kept of the limit of that visit."""
    reader = fastavro.reader(BytesIO(value))
    (record,) = reader
    stream = BytesIO()
    fastavro.writer(stream, reader.writer_schema, [record | {"fp_hists": record["fp_hists"][:1]}])
    return stream.getvalue()


def test_the_list_of_anomalies_has_one_row_an_object_with_its_newest_and_its_highest_score(night, watched):
    scores = defaultdict(list)
    for published in night.collect(ALERTS)["anomalies"]:
        scores[published.record["objectId"]].append(published.record["anomalyScore"])
    page = watched.goto("/lists/anomalies")
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("tbody tr").all()]
    names = [row[1].partition("/")[2] for row in rows]
    assert len(names) == len(set(names)) == min(50, len(scores))
    assert any(len(scores[name]) > 1 for name in names)  # else this shows nothing
    for name, (*_, newest, highest, alerts) in zip(names, rows, strict=True):
        assert float(highest) == pytest.approx(max(scores[name]), abs=0.006)
        assert min(abs(float(newest) - score) for score in scores[name]) < 0.006
        assert int(alerts) == len(scores[name])
    watched.assert_clean()


def test_detections_forced_points_and_limits_have_marks_of_their_own(night, watched):
    found = list(ztf_packets(curve("0010110", name="limited", band="g")))
    night.send((packet.key, with_few_forced(packet.value)) for packet in found)
    named = "/api/search?text=ZTF"
    eventually(lambda: [o for o in api(night, named)["objects"] if o["alerts"] == len(found)], 60)
    (one,) = api(night, named)["objects"]
    path = f"/objects/{one['survey']}/{one['object_id']}"
    kinds = Counter(o["kind"] for o in api(night, "/api" + path)["light_curve"])
    assert set(kinds) == {"detection", "forced", "limit"}
    page = watched.goto(path)
    page.locator("#curve canvas").wait_for()
    marks = page.get_by_role("list", name="Marks")
    for text, kind in (("detection", "detection"), ("forced photometry", "forced"), ("limit, 5 σ deep", "limit")):
        expect(marks).to_contain_text(f"{text} ({kinds[kind]})")
    drawn = "() => document.querySelector('#curve canvas').toDataURL()"
    whole = page.evaluate(drawn)
    pictures = {whole}
    for kind in kinds:  # each mark is drawn, and none like another's
        page.evaluate(
            "kind => { object.light_curve.forEach((o) => { o.was = o.kind; o.kind = kind; }); draw(); }", kind
        )
        pictures.add(page.evaluate(drawn))
        page.evaluate("() => { object.light_curve.forEach((o) => { o.kind = o.was; }); draw(); }")
        assert page.evaluate(drawn) == whole
    assert len(pictures) == 4
    page.locator("input[value=magnitude]").check()
    watched.assert_clean()


def test_a_line_never_jumps_where_time_stands_still(night, watched):
    first = night.records[0]
    name, mjd = "at once", first["mjd"]
    again = [
        first | {"alertId": 10**8 + i, "objectId": name, "mjd": mjd + i // 3, "band": "gri"[i % 3]} for i in range(9)
    ]
    night.send((name, encode(r, "observation")) for r in again)
    path = f"/api/objects/plasticc/{quote(name)}"
    eventually(lambda: len(api(night, path).get("answers", ())) == len(again), 60)
    answers = api(night, path)["answers"]
    page = watched.goto(path.removeprefix("/api"))
    page.locator("#chances canvas").wait_for()
    names = page.evaluate("() => plots[1].series.slice(1).map((s) => s.label)")
    for chart in (1, 2):  # probabilities, score
        times = page.evaluate(f"() => Array.from(plots[{chart}].data[0])")
        assert times == sorted({a["mjd"] for a in answers})
    last = {a["mjd"]: a for a in answers}  # by time, then as they were answered
    for name, values in zip(names, page.evaluate("() => plots[1].data.slice(1)"), strict=True):
        expected = [{c["name"]: c["probability"] for c in a["classes"]}[name] for a in last.values()]
        assert values == pytest.approx(expected)
    expect(page.locator(".step")).to_have_count(len(again))  # each alert keeps its row
    watched.assert_clean()


def test_on_a_phone_the_light_curve_comes_before_its_tools(chromium, night):
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    watched = Watched(page, night.home)
    found = busiest(night)
    watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    page.locator("#curve canvas").wait_for()
    chart, tools = page.locator("#curve").bounding_box(), page.locator("#tools").bounding_box()
    assert chart["y"] + chart["height"] <= min(tools["y"], 844)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    watched.assert_clean()
    page.close()
