"""What keys do on the pages, and what a page says where its server does not answer it, in a real browser."""

import pytest
from playwright.sync_api import expect

from broker.packets.framings import encode
from tests.support.night import api, busiest
from tests.support.service import eventually


def links(page):
    return [link.get_attribute("href") for link in page.locator("table[data-rows] tbody th a").all()]


@pytest.mark.parametrize("path", ["/search?text=1", "/lists/newest", "/lists/anomalies"])
def test_j_and_k_go_through_a_list_and_on_an_objects_page_to_the_next_and_the_previous_object(night, watched, path):
    page = watched.goto(path)
    rows = links(page)
    assert len(rows) > 3
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        chosen = page.locator("tr[aria-current=true]")
        expect(chosen).to_have_count(1)
        assert chosen.locator("a").get_attribute("href") == rows[place]
    page.keyboard.press("Enter")
    page.wait_for_url(night.home + rows[1])
    for key, place in (("j", 2), ("k", 1), ("k", 0)):
        page.locator("#curve canvas").wait_for()
        page.keyboard.press(key)
        page.wait_for_url(night.home + rows[place])
    page.locator("#curve canvas").wait_for()
    page.keyboard.press("k")  # it is the first
    box = page.locator("#bands input:enabled").first.get_attribute("id")
    page.keyboard.press(box.removeprefix("band-"))
    expect(page.locator(f"#{box}")).not_to_be_checked()
    assert page.url == night.home + rows[0]
    watched.assert_clean()


def test_enter_opens_what_has_the_focus_before_the_chosen_row(night, watched):
    page = watched.goto("/lists/newest")
    rows = links(page)
    page.keyboard.press("j")
    page.get_by_role("link", name="Risers").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(night.home + "/lists/risers")
    page = watched.goto("/lists/newest")
    page.keyboard.press("j")
    page.locator("#text").focus()
    page.keyboard.press("j")  # that is a letter of an id
    assert page.locator("tr[aria-current=true] a").get_attribute("href") == rows[0]
    watched.assert_clean()


def test_on_the_live_page_the_chosen_row_stays_chosen_while_others_come(night, watched):
    page = watched.goto("/")
    page.locator("#anomalies tr").nth(1).wait_for()
    page.keyboard.press("j")
    chosen = page.locator("tr[aria-current=true] a").get_attribute("href")
    flagged = api(night, "/api/anomalies?limit=1")["answers"][0]
    pattern = next(r for r in night.records if r["objectId"] == flagged["object_id"])
    same = [r for r in night.records if r["objectId"] == pattern["objectId"]]
    night.send(
        ("newcomer", encode(r | {"objectId": "newcomer", "alertId": r["alertId"] + 10**9}, "observation")) for r in same
    )
    expect(page.locator("#anomalies a", has_text="newcomer")).to_have_count(1, timeout=60_000)
    expect(page.locator("tr[aria-current=true]")).to_have_count(1)
    assert page.locator("tr[aria-current=true] a").get_attribute("href") == chosen
    place = links(page).index(chosen)
    assert place > 0
    page.keyboard.press("k")
    assert page.locator("tr[aria-current=true] a").get_attribute("href") == links(page)[place - 1]
    watched.assert_clean()


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ('{"detail": "too many searches; wait a little"}', 429, "too many searches; wait a little (429)"),
        ("<b>bad gateway</b>", 503, "<b>bad gateway</b> (503)"),
        (None, 0, "the page's server does not answer"),
    ],
)
def test_an_object_whose_data_do_not_come_says_why_and_asks_again(night, watched, body, status, text):
    found = busiest(night)
    path = f"/objects/{found['survey']}/{found['object_id']}"
    page = watched.page
    there = f"**/api{path}"
    page.route(there, lambda route: route.abort() if body is None else route.fulfill(status=status, body=body))
    watched.goto(path)
    wrong = page.get_by_role("alert").filter(has_text="The charts are not there")
    expect(wrong).to_contain_text(text)
    page.unroute(there)
    wrong.get_by_role("button").click()
    page.locator("#chances canvas").wait_for()
    expect(wrong).to_be_hidden()


@pytest.mark.parametrize("broken", [True, False])
def test_a_model_that_cannot_be_asked_is_said_and_can_be_asked_again(night, watched, broken):
    found = busiest(night)
    page = watched.goto(f"/objects/{found['survey']}/{found['object_id']}")
    page.locator("#chances canvas").wait_for()
    page.locator(".step").first.click()
    page.route("**/api/why/*", lambda route: route.abort() if broken else route.fulfill(status=502, body="no JSON"))
    page.locator(".reasons").click()
    expect(page.locator("#why")).to_contain_text("does not answer" if broken else "no JSON (502)")
    expect(page.locator(".reasons")).to_be_visible()


def test_a_live_page_that_was_refused_listens_again_by_itself(night, watched):
    page = watched.page
    refused = []

    def refuse(route):
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503, body="too many pages listen\n")

    page.route("**/events", refuse)
    watched.goto("/")
    expect(page.locator("#trouble")).to_contain_text("takes no listener now")
    expect(page.locator("#trouble")).to_be_hidden(timeout=30_000)
    before = int(page.locator("#total").inner_text().replace(",", ""))
    more = [r | {"alertId": r["alertId"] + 10**8, "mjd": r["mjd"] + 0.002} for r in night.records[:20]]
    night.send((r["objectId"], encode(r, "observation")) for r in more)
    eventually(lambda: int(page.locator("#total").inner_text().replace(",", "")) >= before + 20, 60)
