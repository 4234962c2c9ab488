"""Light curves and class probabilities as SVG: for pages that have to do without scripts, such as a report on paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from broker.surveys.limits import depths_njy, limits
from model.observation import BANDS

COLOURS = dict(zip(BANDS, ("#0c71ff", "#2f9e4b", "#c61c00", "#b07d00", "#d024a0", "#5d2b2b"), strict=True))
WIDTH, HEIGHT = 620.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 8.0, 8.0, 24.0
ROOM = 0.05  # of the range, beside the outermost points
TICKS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places on the sheet."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def over(cls, values: NDArray[np.float64], begin: float, end: float) -> "Scale":
        """A scale that holds some values [n]."""
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        room = ROOM * (high - low) or 1.0
        return cls(low - room, high + room, begin, end)

    def at(self, value: float) -> float:
        """Where a value stands."""
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values within it, some five of them."""
        rough = (self.high - self.low) / TICKS
        size = 10.0 ** np.floor(np.log10(rough))
        step = size * next(m for m in (1, 2, 5, 10) if m * size >= rough)
        return [float(v) for v in np.arange(np.ceil(self.low / step), np.floor(self.high / step) + 1) * step]


def light_curve(survey: str, rows: NDArray[np.void]) -> Markup:
    """Difference flux [nJy] by time of a light curve [T] of dtype OBSERVATION, of an object of a survey.

    Forced photometry is hollow; a limit is a triangle that points down, at its depth.
    """
    limit, depth = limits(survey, rows), depths_njy(rows)
    flux, error = rows["flux_njy"].astype(float), rows["flux_err_njy"].astype(float)
    x = Scale.over(rows["mjd_tai"], LEFT, WIDTH - RIGHT)
    heights = [(flux - error)[~limit], (flux + error)[~limit], depth[limit], [0.0]]
    y = Scale.over(np.concatenate(heights), HEIGHT - BOTTOM, TOP)
    marks = axes(x, y)
    for row, limited, deep in zip(rows, limit, depth, strict=True):
        px, py, colour = x.at(row["mjd_tai"]), y.at(row["flux_njy"]), COLOURS[BANDS[row["band"]]]
        if limited:
            marks.append(f'<path d="M{px - 3:.1f} {y.at(deep):.1f}h6l-3 5z" fill="none" stroke="{colour}"/>')
            continue
        top, bottom = y.at(row["flux_njy"] + row["flux_err_njy"]), y.at(row["flux_njy"] - row["flux_err_njy"])
        fill = colour if row["detected"] else "none"
        marks.append(f'<path d="M{px:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}" stroke-width="0.7" opacity="0.7"/>')
        marks.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.4" fill="{fill}" stroke="{colour}"/>')
    return sheet(marks, "difference flux by time, one colour a band; triangles are limits")


def axes(x: Scale, y: Scale) -> list[str]:
    """Ticks, their numbers, and lines across."""
    below = f'y="{HEIGHT - 8:.1f}" text-anchor="middle"'
    marks = [f'<text x="{x.at(value):.1f}" {below}>{value:,.0f}</text>' for value in x.ticks()]
    for value in y.ticks():
        place = y.at(value)
        marks.append(f'<path d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}" stroke="#ccc" stroke-width="0.6"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{place + 3.5:.1f}" text-anchor="end">{value:,.5g}</text>')
    return marks


def sheet(marks: Sequence[str], label: str) -> Markup:
    """Marks as a figure. They are made from numbers alone, and so is the label of this file's own words."""
    body = "".join(marks)
    return Markup(  # noqa: S704 - see above
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{label}" font-size="10">{body}</svg>'
    )
