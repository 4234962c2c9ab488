"""An object's light curve in a terminal: a letter a detection, a point elsewhere, and what its classes are."""

from collections.abc import Iterator
from itertools import groupby
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.text import Text

from broker.commands.selection import Record, name_of
from broker.commands.shown import cell
from broker.errors import StartupError, TransientError
from broker.lightcurves.entries import observations, parse
from broker.lightcurves.store import LightCurveStore, Refused
from broker.text import printable
from model.observation import BANDS, LightCurve

COLOURS = dict(zip(BANDS, ("magenta", "green", "red", "yellow", "bright_black", "cyan"), strict=True))
MARGIN = 12  # columns of the axis' figures
ROWS, LEAST_COLUMNS = 16, 20
CLASSES_SHOWN = 5
BAR = 30


def stored_curve(store: LightCurveStore, name: str, most: int) -> NDArray[np.void]:
    """The light curve [n] of dtype OBSERVATION of survey/object. Raises StartupError.

    Args:
        store: where it is.
        name: survey/object.
        most: the newest entries that are read.
    """
    key = name.encode(errors="surrogateescape")
    try:
        (log,) = store.read([key], most)
    except TransientError as error:
        raise StartupError(f"the light curve of {printable(name)} cannot be read: {error}") from error
    if isinstance(log, Refused):
        raise StartupError(f"the light curve of {printable(name)} cannot be read: {log.reason}")
    entries, good = parse(log, crc32(key))
    return LightCurve.of(observations(entries[good])).observations


def drawing(
    name: str, curve: NDArray[np.void], record: Record | None, columns: int, trouble: str = ""
) -> RenderableType:
    """A light curve [n] with its object's last classification beneath, where there is one."""
    head = Text.assemble("light curve of ", cell(name, "bold"), f": {len(curve)} observations")
    told = [cell(trouble, "red", longest=1_000)] if trouble else []
    return Group(head, *plot(curve, max(LEAST_COLUMNS, columns - MARGIN)), *classes_of(record), *told)


def plot(curve: NDArray[np.void], columns: int) -> Iterator[Text]:
    """Lines of so many columns and an axis: time to the right, difference flux upward."""
    if not len(curve):
        yield Text("nothing is stored of it")
        return
    times, fluxes = curve["mjd_tai"], curve["flux_njy"].astype(float)
    low, high = bounds(fluxes)
    first, last = bounds(times)
    at = np.rint((times - first) / (last - first) * (columns - 1)).astype(int)
    up = np.rint((fluxes - low) / (high - low) * (ROWS - 1)).astype(int)
    grid: dict[tuple[int, int], tuple[str, str]] = {}
    for i in np.argsort(curve["detected"], kind="stable").tolist():  # detections last: they are seen
        band, detected = BANDS[int(curve["band"][i])], bool(curve["detected"][i])
        grid[int(up[i]), int(at[i])] = (
            band if detected else "·",
            f"bold {COLOURS[band]}" if detected else COLOURS[band],
        )
    zero = round(-low / (high - low) * (ROWS - 1))
    for row in range(ROWS - 1, -1, -1):
        value = low + (high - low) * row / (ROWS - 1)
        line = Text(f"{value:>10.4g} │" if row in (0, ROWS - 1, zero) else " " * 11 + "│")
        empty = "┄" if row == zero else " ", "dim"
        for (sign, style), run in groupby(grid.get((row, column), empty) for column in range(columns)):
            line.append(sign * len(list(run)), style)
        yield line
    yield Text(" " * 11 + "└" + "─" * columns)
    left, right = f"MJD {times.min():.1f}", f"{times.max():.1f}"
    yield Text(" " * MARGIN + left + " " * max(1, columns - len(left) - len(right)) + right)
    counts = Text(" " * MARGIN + "nJy; ")
    for letter, colour in COLOURS.items():
        its = curve["band"] == BANDS.index(letter)
        if its.any():
            counts.append(f"{letter} {np.count_nonzero(its & curve['detected'])}/{np.count_nonzero(its)}  ", colour)
    yield counts.append("(detected/all)")


def bounds(values: NDArray[np.float64]) -> tuple[float, float]:
    """The smallest and the largest, kept apart."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def classes_of(record: Record | None) -> Iterator[Text]:
    """The most probable classes of a record, a bar each."""
    if record is None:
        yield Text("no classification of it has been read")
        return
    ranked = sorted(record["classifications"], key=lambda c: -c["probability"])[:CLASSES_SHOWN]
    for one in ranked:
        p = one["probability"]
        bar = "█" * round(BAR * p) if 0 <= p <= 1 else ""
        yield Text(f"{name_of(one['classId']):>18}  {p:.3f} {bar}")
    score = Text(f"{'anomaly score':>18}  {record.get('anomalyScore', np.nan):.2f}")
    yield score.append(" !", "bold red") if record.get("anomaly") else score
    if told := why(record):
        yield Text(f"{'least unlike':>18}  ") + cell(told)
    after = f"after {record.get('observations', '?')} observations, MJD {record.get('mjd', np.nan):.3f}"
    yield Text(f"{'':>18}  ") + cell(after)


def why(record: Record) -> str:
    """Why a record is flagged: the nearest class, and what is far from it; "" where it does not say."""
    if record.get("nearestClass") is None:
        return ""
    far = [f"{one['statistic']} {one['deviations']:+.1f}" for one in record.get("furthest") or ()]
    return name_of(record["nearestClass"]) + (f", but for {', '.join(far)} standard deviations" if far else "")
