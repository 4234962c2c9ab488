"""Pictures of the page for the README, from the demo: `python -m tests.screenshots`.

The demo runs as users run it; a real Chromium looks at its page while alerts come, and afterwards.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.support.browser import Watched, browser

FOLDER = Path(__file__).parents[1] / "deploy" / "screenshots"
ALERTS = 9_000
RATE = 150
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
COLOURS = 256  # where a picture is too large otherwise
LARGEST = 150_000  # bytes of a picture


def main() -> int:
    """Run the demo, take the pictures, and say how large they are."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = ["demo", "--stay", "--alerts", str(ALERTS), "--rate", str(RATE)]
        with (
            log.open("wb") as out,
            subprocess.Popen(
                [sys.executable, "-m", "broker.commands.main", *command], stdout=out, stderr=out, env=os.environ
            ) as demo,
        ):
            try:
                with browser() as opened:
                    pictures(opened, log, demo)
            finally:
                demo.terminate()
                demo.wait(60)
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.glob("*.png"))}
    sys.stdout.write(json.dumps(sizes, indent=2) + "\n")
    return int(max(sizes.values()) > LARGEST)


def pictures(opened: Browser, log: Path, demo: "subprocess.Popen[bytes]") -> None:
    """Live while alerts come, the rest when all have come."""
    home = said(log, demo, r"the page: (http://\S+)")
    live = look(opened, home, "/", DESK)
    half = f"() => +document.getElementById('total').textContent.replaceAll(',', '') >= {ALERTS // 2}"
    live.wait_for_function(half, timeout=600_000)
    take(live, "live")
    said(log, demo, r"(Staying up)")
    chosen = telling(home)
    where = f"/objects/{chosen['survey']}/{chosen['object_id']}"
    for name, scheme, size in (("object", "light", DESK), ("dark", "dark", DESK), ("phone", "light", PHONE)):
        page = look(opened, home, where, size, scheme)
        page.locator("#chances canvas").wait_for()
        page.locator("input[value=days]").check()
        if name == "object":
            changes = [text.rpartition(" ")[2] for text in page.locator(".step").all_inner_texts()[:-1]]
            page.locator(".step").nth(max(range(len(changes)), key=lambda i: abs(float(changes[i])))).click()
        take(page, name, full=name == "object")
    take(look(opened, home, "/lists/anomalies", DESK), "anomalies")
    take(look(opened, home, f"/search?ra={chosen['ra']}&dec={chosen['dec']}&radius=600", DESK), "search")
    take(look(opened, home, "/", PHONE), "phone-live")


def said(log: Path, demo: "subprocess.Popen[bytes]", pattern: str) -> str:
    """What the demo prints sooner or later."""
    while not (found := re.search(pattern, log.read_text(errors="replace"))):
        if demo.poll() is not None:
            raise SystemExit(log.read_text(errors="replace")[-3_000:])
        time.sleep(0.2)
    return found[1]


def telling(home: str) -> dict[str, object]:
    """An object whose answers changed a good deal and ended sure: what the page is for."""
    with urllib.request.urlopen(f"{home}/api/objects?limit=200&probability=0.8") as answer:
        found = json.load(answer)["objects"]
    return max(found, key=lambda o: (o["best"]["name"] in ("SN Ia", "SN II", "TDE", "SLSN-I"), min(o["alerts"], 60)))


def look(opened: Browser, home: str, path: str, size: dict[str, int], scheme: str = "light") -> Page:
    """A page in a window of a size."""
    page = opened.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1 if size is DESK else 2)
    return Watched(page, home).goto(path)


def take(page: Page, name: str, *, full: bool = False) -> None:
    """A picture."""
    path = FOLDER / f"{name}.png"
    page.wait_for_timeout(500)
    page.screenshot(path=path, full_page=full)
    picture = Image.open(path).convert("RGB")
    if full:
        picture = picture.crop((0, 0, picture.width, min(picture.height, 1_900)))
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    page.close()


if __name__ == "__main__":
    sys.exit(main())
