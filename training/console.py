"""What the commands show: tables on standard output, progress on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from training import tables

WIDE = 160  # columns of tables in a file or a pipe
console = Console(stderr=True, soft_wrap=True)


def print_table(rows: tables.Rows, title: str) -> None:
    """A table on standard output."""
    plain = Console()
    if not plain.is_terminal:
        plain = Console(width=WIDE)
    plain.print(tables.terminal(rows, title))


def print_figures(figures: dict[str, Any]) -> None:
    """The figures as tables; those of several folds have no parts."""
    title = f"{figures['objects']} held-out objects"
    if "by_time" not in figures:
        return
    for rows, name in (
        (tables.by_time(figures), f"{title}, by time"),
        (tables.by_group(figures), f"{title}, by group"),
        (tables.by_class(figures), f"{title}, by class"),
    ):
        print_table(rows, name)
    if shifted := figures.get("domain_shift"):
        rows = [
            ("test set's supernovae", ""),
            *((key.replace("_", " "), f"{v:.3f}") for key, v in shifted.items() if key != "objects"),
        ]
        print_table(rows, f"Domain shift, {shifted['objects']} objects")


@contextmanager
def epochs(total: int) -> Iterator[Callable[[str, dict[str, float]], None]]:
    """A progress bar for each network; what to tell its name and each epoch's figures."""
    with bar(MofNCompleteColumn(), TextColumn("epochs")) as progress:
        preparing = progress.add_task("preparing", total=None)
        tasks: dict[str, TaskID] = {}

        def show(network: str, row: dict[str, float]) -> None:
            figures = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k not in {"epoch", "seconds"})
            progress.console.print(f"{network}, epoch {row['epoch']:.0f}  {figures}", highlight=False)
            progress.update(preparing, visible=False)
            if network not in tasks:
                tasks[network] = progress.add_task(network, total=total)
            progress.update(tasks[network], completed=row["epoch"])

        try:
            yield show
        finally:
            progress.update(preparing, visible=False)


@contextmanager
def bar(*amount: ProgressColumn) -> Iterator[Progress]:
    """A progress bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *amount,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress
