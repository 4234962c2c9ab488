"""The report of a night: `misweeper report`."""

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.files import put, try_out
from broker.commands.moments import night as hours
from broker.commands.recovery import progress
from broker.config import Settings
from broker.connections import connect_redis
from broker.errors import StartupError


def report(
    night: Annotated[str, typer.Option(help="A night, noon to noon UTC, by its date or MJD.")],
    output: Annotated[Path | None, typer.Option(help="The file; by default night-DATE.html here.")] = None,
) -> None:
    """Write one night as a single HTML page: counts that reconcile, classes, latency, what was strange.

    The page needs no network and prints well. Exit code 0 also where the counts do not reconcile: the page says so.

    Example: misweeper report --night 2026-11-23
    """
    try:
        from broker.web.lightcurve import LightCurves  # noqa: PLC0415 - an extra
        from broker.web.night import night_of  # noqa: PLC0415
    except ImportError:
        raise StartupError("the report comes with an extra: pip install 'misweeper[web]'") from None
    begin_ms, end_ms = hours(night)
    path = output or Path(f"night-{night}.html")
    try_out(path)
    settings = Settings.load()
    sheet = (Path(__file__).parents[1] / "web" / "static" / "page.css").read_text()
    with progress("messages read") as (expect, advanced):
        found = night_of(
            settings, LightCurves(connect_redis(settings)), begin_ms, end_ms, expect=expect, advanced=advanced
        )
    put(path, found.html(f"misweeper, night of {night}", sheet))
    typer.echo(str(path))
