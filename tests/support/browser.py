"""A real Chromium, Debian's, driven by Playwright: where it is missing the tests fail, never skipped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")  # as the Makefile looks for it
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of the browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("the page's tests need Chromium: apt-get install chromium, or make browser as root", pytrace=False)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """One that looks for nothing on the network by itself."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        try:
            yield opened
        finally:
            opened.close()


class Watched:
    """A page, and what went wrong on it: errors of the console, requests that left the page's own server."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.home = home
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request", lambda r: None if r.url.startswith((home, "data:", "blob:")) else self.strangers.append(r.url)
        )

    def goto(self, path: str) -> Page:
        self.page.goto(self.home + path, wait_until="load")
        return self.page

    def assert_clean(self) -> None:
        assert self.errors == []
        assert self.strangers == []
