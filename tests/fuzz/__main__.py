"""`make fuzz`: a million packets that no survey sends, through decode and adapt. Ends with one line of JSON."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.fuzz.campaign import Report, judge, kept_value, run
from tests.fuzz.mutations import real
from tests.support.alerts import PACKETS
from tests.support.reading import READ

KEEP = Path("runs") / "fuzz"
STEP = 500  # packets between two looks at the progress bar


def main(
    packets: Annotated[int, typer.Option(min=1, help="How many.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same packets.")] = 1,
    keep: Annotated[Path, typer.Option(help="Where packets that break a bound are written.")] = KEEP,
    replay: Annotated[Path | None, typer.Option(help="Read such a packet once more, alone.")] = None,
) -> None:
    """Read mutated packets and hold them to the bounds; exit 1 where one does not hold.

    Example: python -m tests.fuzz --packets 50000 --seed 7
    """
    errors = Console(stderr=True)
    if replay is not None:
        report = Report(packets=1)
        fault, _ = judge(report, kept_value(replay), READ, sampled=True)
        if fault:
            errors.print(fault, markup=False)
        end(errors, report, {})
    if not real():
        errors.print(f"no packets in {PACKETS}; the real ones belong there", markup=False)
        raise typer.Exit(2)
    began = time.perf_counter()
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    report = Report()
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(f"seed {seed}", total=packets)
        for report in run(seed, range(packets), keep, said=lambda line: progress.console.print(line, markup=False)):
            if report.packets % STEP == 0 or report.packets == packets:
                progress.update(task, completed=report.packets)
    took_s = time.perf_counter() - began
    end(errors, report, {"seed": seed, "seconds": round(took_s, 1), "per_s": round(packets / took_s)})


def end(errors: Console, report: Report, more: dict[str, float]) -> None:
    """Say which bounds were broken, print the line of JSON, and exit."""
    for text in report.broken:
        errors.print(f"broken: {text}", markup=False)
    typer.echo(json.dumps(vars(report) | more))
    raise typer.Exit(bool(report.broken))


if __name__ == "__main__":
    typer.run(main)
