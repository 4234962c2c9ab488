"""A flood of classifications, of which the page counts all and keeps one in ten."""

import tempfile
from pathlib import Path
from time import process_time

from broker.packets.framings import encode
from broker.web.index import Batch
from broker.web.published import Classifications, Place, rows, shown
from tests.support.said import classification
from tests.support.webpage import Site, site

AT_ONCE = 5_000
MESSAGES = 20_000


def flood() -> dict[str, float]:
    """Microseconds of the processor an alert: to decode and count it, and to take it in as one of a flood."""
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as page:
        return taken_in(page)


def taken_in(page: Site) -> dict[str, float]:
    """The same, of a page that follows nothing."""
    value = encode(classification(), "classification")
    reader, places = Classifications(), [Place("c", 0, i, "alerts", 0, i) for i in range(AT_ONCE)]
    rows(reader.read([value] * AT_ONCE), range(AT_ONCE), places)
    decoded = kept = 0.0
    for _ in range(MESSAGES // AT_ONCE):
        began = process_time()
        columns = reader.read([value] * AT_ONCE)
        page.parts.feed.count(shown(columns))
        decoded += process_time() - began
        began = process_time()
        page.index.write(Batch(rows(columns, range(0, AT_ONCE, 10), places[::10]), {}, {}))
        kept += process_time() - began
    return {"decode_and_count": round(1e6 * decoded / MESSAGES, 1), "index_one_in_ten": round(1e6 * kept / MESSAGES, 1)}
