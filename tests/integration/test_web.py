"""The page in a real browser, with a real service behind it."""

import os
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from confluent_kafka import Producer
from playwright.sync_api import expect

from broker.packets.framings import encode
from tests.support.browser import Watched
from tests.support.night import ALERTS, HOSTILE, api, busiest
from tests.support.page_process import page_process
from tests.support.service import eventually

PAGES = ("/", "/lists/newest", "/lists/anomalies", "/lists/risers", "/search?ra=10&dec=10", "/docs", "object")


def test_the_live_page_counts_up_without_being_loaded_again(night, watched):
    page = watched.goto("/")
    before = int(page.locator("#total").inner_text().replace(",", ""))
    more = [r | {"alertId": r["alertId"] + 10**7, "mjd": r["mjd"] + 0.001} for r in night.records[:200]]
    night.send((r["objectId"], encode(r, "observation")) for r in more)
    page.wait_for_function(f"() => +document.getElementById('total').textContent.replaceAll(',', '') >= {before + 200}")
    assert page.locator("#workers li").count() == 1
    watched.assert_clean()


def test_an_objects_page_draws_its_bands_and_its_probabilities(night, watched):
    found = busiest(night)
    page = watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    expect(page.locator("#curve canvas")).to_be_visible()
    expect(page.locator("#chances canvas")).to_be_visible()
    expect(page.locator("#bands input")).to_have_count(6)
    expect(page.locator("#legend li").first).to_be_visible()
    filled = "() => { const c = document.querySelector('#curve canvas'); return c.toDataURL() }"
    for band in "ugrizy":  # each of them is drawn: without it the picture is another one
        drawn = page.evaluate(filled)
        page.keyboard.press(band)
        expect(page.locator(f"#band-{band}")).not_to_be_checked()
        assert page.evaluate(filled) != drawn
        page.keyboard.press(band)
    watched.assert_clean()


def test_magnitude_and_days_change_what_is_drawn_and_what_its_axes_say(night, watched):
    found = busiest(night)
    path = f"/objects/{found['survey']}/{found['object_id']}"
    curve = api(night, "/api" + path)["light_curve"]
    page = watched.goto(path)
    page.locator("#scores canvas").wait_for()
    labels = "() => [plots[0].axes[1].label, plots.at(-1).axes[0].label]"
    points = "() => plots[0].data.map((some) => Array.from(some))"
    assert page.evaluate(labels) == ["difference flux, nJy", "MJD, TAI"]
    times, fluxes = page.evaluate(points)
    assert sorted(zip(times, fluxes, strict=True)) == sorted((o["mjd"], o["flux"]) for o in curve)

    page.locator("input[value=magnitude]").check()
    assert page.evaluate(labels) == ["AB magnitude of |flux|", "MJD, TAI"]
    bright = [(o["mjd"], o["magnitude"]) for o in curve if o["magnitude"] is not None]
    times, magnitudes = page.evaluate(points)
    assert sorted(zip(times, magnitudes, strict=True)) == sorted(bright)
    low, high = page.evaluate("() => [0, 1].map((part) => plots[0].posToVal(part * plots[0].over.clientHeight, 'y'))")
    assert low < high  # a smaller magnitude stands higher
    if len(bright) < len(curve):
        expect(page.locator("#faint")).to_have_text(f"{len(curve) - len(bright)} points below 3 σ have no magnitude")

    page.locator("input[value=days]").check()
    seen = [o["mjd"] for o in curve if o["detected"]]
    first = seen[0] if seen else curve[0]["mjd"]
    assert page.evaluate(labels)[1] == f"days since the first {'detection' if seen else 'point'}"
    days, _ = page.evaluate(points)
    assert days == pytest.approx(sorted(mjd - first for mjd, _ in bright))
    page.locator("input[value=flux]").check()
    page.locator("input[value=mjd]").check()
    assert page.evaluate(labels) == ["difference flux, nJy", "MJD, TAI"]
    watched.assert_clean()


def test_an_alert_that_is_clicked_shows_how_each_class_changed(night, watched):
    found = busiest(night)
    page = watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    page.locator("#chances canvas").wait_for()
    page.locator(".step").first.click()
    expect(page.locator("#why")).to_be_visible()
    answers = api(night, f"/api/objects/{found['survey']}/{found['object_id']}")["answers"]
    last, before = ({c["name"]: c["probability"] for c in a["classes"]} for a in (answers[-1], answers[-2]))
    for row in page.locator("#why tbody tr").all():
        name, was, now, change = row.locator("th, td").all_inner_texts()
        assert abs(float(was) - before[name]) < 0.001
        assert abs(float(now) - last[name]) < 0.001
        assert abs(float(change.replace("−", "-")) - (last[name] - before[name])) < 0.001
    expect(page.locator(".step").first).to_have_attribute("aria-pressed", "true")
    watched.assert_clean()


def test_the_model_says_which_features_stand_out_and_which_classes_are_near(night, watched):
    found = busiest(night)
    page = watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    page.locator("#chances canvas").wait_for()
    page.locator(".step").first.click()

    def explained():
        """It is asked again where a busy machine has not answered within the page's patience."""
        if page.locator(".reasons").count():
            watched.errors[:] = [error for error in watched.errors if "503" not in error]
            page.locator(".reasons").click()
        return page.locator("#why caption").count() == 2

    eventually(explained, 200)
    expect(page.locator("#why .columns table").first.locator("tr")).to_have_count(6)
    expect(page.locator("#why .columns table").last.locator("tr")).to_have_count(4)
    expect(page.locator("#why")).to_contain_text("it is flagged above")
    watched.assert_clean()


def test_skyportal_finds_an_object_by_its_id_and_by_its_alert(night):
    found = busiest(night)
    alert = api(night, f"/alerts/{found['object_id']}")
    assert alert["objectId"] == found["object_id"]
    curve = api(night, f"/api/objects/{found['survey']}/{found['object_id']}")["light_curve"]
    assert len(alert["prv_candidates"]) + len(alert["fp_hists"]) == len(curve)
    assert alert["candidate"]["psfFlux"] is not None
    assert any(a["objectId"] == found["object_id"] for a in api(night, f"/alerts?candid={alert['candid']}"))


def test_the_report_of_a_night_is_one_file_that_reconciles(night, chromium, tmp_path):
    date = (datetime.now(UTC) - timedelta(hours=12)).date().isoformat()  # a night begins at noon
    path = tmp_path / "night.html"
    command = [sys.executable, "-m", "broker.commands.main", "report", "--night", date, "--output", str(path)]
    done = subprocess.run(
        command, env=os.environ | night.variables(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    page = chromium.new_page()
    watched = Watched(page, path.as_uri())
    page.goto(path.as_uri())
    headings = page.locator("h2").all_inner_texts()
    assert "Every offset has one fate" in headings, headings
    assert page.locator("svg circle").count() > 10
    violations = Axe().run(page).response["violations"]
    assert [v["id"] for v in violations if v["impact"] in ("serious", "critical")] == []
    watched.assert_clean()
    printed = page.pdf(format="A4", outline=True, tagged=True)  # its outline has the headings as plain text
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 10_000
    for heading in [page.locator("h1").inner_text(), *headings]:
        assert b"(" + heading.encode() + b")" in printed, heading
    page.close()


def test_what_an_object_is_can_be_taken_along(night, watched):
    found = busiest(night)
    page = watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    page.locator("#curve canvas").wait_for()
    for name in ("CSV", "Avro"):
        with page.expect_download() as taken:
            page.get_by_role("link", name=name, exact=True).click()
        assert taken.value.path().stat().st_size > 100
    with page.expect_download() as taken:
        page.locator("#png").click()
    assert taken.value.path().read_bytes().startswith(b"\x89PNG")
    watched.assert_clean()


def test_search_finds_by_id_and_by_place(night, watched):
    found = busiest(night)
    page = watched.goto("/")
    page.locator("#text").fill(found["object_id"])
    page.keyboard.press("Enter")
    expect(page.locator("tbody a").first).to_contain_text(found["object_id"])
    page = watched.goto(f"/search?ra={found['ra']}&dec={found['dec']}&radius=5")
    expect(page.locator("tbody a", has_text=found["object_id"]).first).to_be_visible()  # PLAsTiCC's share places
    watched.assert_clean()


def test_the_anomalies_are_those_of_the_topic(night, watched):
    published = night.collect(ALERTS)["anomalies"]
    expected = {p.record["alertId"] for p in published}
    found, cursor = set(), ""
    while cursor is not None:
        page = api(night, f"/api/anomalies?limit=500{cursor and f'&cursor={cursor}'}")
        found |= {int(a["alert_id"]) for a in page["answers"]}
        cursor = page["cursor"]
    assert found == expected
    watched.assert_clean()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_text_wherever_they_stand(night, watched, name):
    watched.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page = watched.goto("/")
    page.locator("#text").fill(name)
    page.keyboard.press("Enter")
    link = page.locator("tbody a", has_text=re.compile(re.escape(name)))
    expect(link).to_be_visible()
    link.click()
    expect(page.locator("h1")).to_contain_text(name)
    page.locator("#curve canvas").wait_for()
    watched.assert_clean()


@pytest.mark.parametrize(
    "path", ["/", "/lists/newest", "/lists/anomalies", "/lists/risers", "/search?ra=10&dec=10", "/docs", "object"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, night, path, scheme):
    page = chromium.new_page(color_scheme=scheme)
    watched = Watched(page, night.home)
    found = busiest(night)
    watched.goto(f"/objects/{found['survey']}/{found['object_id']}" if path == "object" else path)
    if path == "object":
        page.locator("#chances canvas").wait_for()
        page.locator(".step").first.click()
    page.wait_for_timeout(300)
    violations = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:150]) for v in violations if v["impact"] in ("serious", "critical")]
    page.close()
    assert serious == []


def test_a_worker_that_is_killed_is_gone_from_the_page_within_ten_seconds_and_back(night, watched):
    page = watched.goto("/")
    expect(page.locator("#workers li:not(.none)")).to_have_count(1)
    expect(page.locator("#workers li")).to_contain_text("priors")  # of the model that answers its partitions
    night.workers[-1].process.kill()
    expect(page.locator("#workers li.none")).to_be_visible(timeout=10_000)
    more = [r | {"alertId": r["alertId"] + 10**9, "mjd": r["mjd"] + 0.003} for r in night.records[:50]]
    night.send((r["objectId"], encode(r, "observation")) for r in more)
    expect(page.locator("#waited")).to_contain_text(re.compile(r"\d s at (most|least)"), timeout=30_000)
    night.worker().await_ready()
    expect(page.locator("#workers li:not(.none)")).to_have_count(1, timeout=10_000)
    expect(page.locator("#waited")).to_have_text("nothing waits", timeout=60_000)


def test_a_first_paint_is_small(night):
    total = 0
    for path in ("/", "/static/page.css", "/static/icon.svg", "/static/live.js"):
        with urllib.request.urlopen(night.home + path) as answer:
            total += len(answer.read())
    assert total < 300_000


def test_a_page_that_is_started_again_goes_on_where_it_was(night, tmp_path):
    index, counts = tmp_path / "index.sqlite", []
    for _ in range(2):
        with page_process(night.variables(), tmp_path / "log", "--index", str(index)) as again:

            def answers(again=again):
                return sum(o["alerts"] for o in again.api("/api/objects?limit=500")["objects"])

            eventually(lambda answers=answers: answers() >= ALERTS, 60)
            counts.append(answers())
            assert again.stop() == 0
    assert counts[0] == counts[1]


def test_what_another_model_said_is_drawn_beside_it(night, watched):
    found = busiest(night)
    path = f"/objects/{found['survey']}/{found['object_id']}"
    mine = [p for p in night.collect(ALERTS)["classifications"] if p.record["objectId"] == found["object_id"]]
    producer = Producer({"bootstrap.servers": night.kafka})
    for one in mine:
        other = one.record | {"classifierVersion": "f" * 12, "anomaly": False}
        headers = [(f"source_{k}", str(v)) for k, v in zip(("topic", "partition", "offset"), one.source, strict=True)]
        producer.produce(night.prefix + "classifications", encode(other, "classification"), headers=headers)
    producer.flush(30)
    eventually(lambda: len(api(night, "/api" + path)["answers"]) >= 2 * len(mine), 60)
    page = watched.goto(path)
    page.locator("#chances canvas").wait_for()
    boxes = page.locator("#versions input")
    expect(boxes).to_have_count(2)
    drawn = "() => document.querySelector('#chances canvas').toDataURL()"
    alone = page.evaluate(drawn)
    boxes.nth(1).check()
    assert page.evaluate(drawn) != alone
    expect(page.locator("#legend li").last).to_contain_text("dashed")
    boxes.nth(0).uncheck()
    boxes.nth(1).uncheck()
    watched.assert_clean()
