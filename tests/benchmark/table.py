"""One table of all figures."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.benchmark.figure import Figure

WIDTH = 110  # where standard output is no terminal


def show(figures: Sequence[Figure], machine: dict[str, str]) -> None:
    """Print every figure's median, the quartiles around it, and of how many values."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    table = Table(title="misweeper bench", title_justify="left", caption=caption(machine), caption_justify="left")
    for name, side in (("part", "left"), ("figure", "left"), ("median", "right"), ("quartiles", "right"), ("", "left")):
        table.add_column(name, justify="right" if side == "right" else "left")
    table.add_column("of", justify="right")
    part = ""
    for figure in figures:
        if figure.part != part and part:
            table.add_section()
        low, high = figure.quartiles
        spread = f"{shown(low)} - {shown(high)}" if len(set(figure.values)) > 1 else ""
        named = figure.part if figure.part != part else ""
        table.add_row(named, figure.name, shown(figure.median), spread, figure.unit, str(len(figure.values)))
        part = figure.part
    console.print(table)


def shown(value: float) -> str:
    """Three digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def caption(machine: dict[str, str]) -> str:
    """What it was measured on."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())
