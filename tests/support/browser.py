"""A real Chromium, Debian's, driven by Playwright: where it is missing it is installed, never skipped."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAME = "chromium"
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
    if not shutil.which(NAME):
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
            if done.returncode:
                pytest.fail(f"no Chromium, and {' '.join(command)} fails: {done.stderr[-300:]}", pytrace=False)
    return shutil.which(NAME) or "/usr/bin/chromium"


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

    def _look(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.strangers.append(url)

    def goto(self, path: str) -> Page:
        self.page.goto(self.home + path, wait_until="load")
        return self.page

    def assert_clean(self) -> None:
        assert self.errors == []
        assert self.strangers == []
