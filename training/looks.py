"""What each view shows beside what surveys really send, as `misweeper-train plots views` draws it (extra `train`)."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.observation import BANDS
from training.dataset import Objects
from training.plots import COLOURS, STYLES, page

Floats = NDArray[np.float64]
THINNEST = 1.0  # line
G, R = BANDS.index("g"), BANDS.index("r")


def points(curve: NDArray[np.void]) -> Floats:
    """How many observations a light curve [T] has. [1]."""
    return np.array([len(curve)], dtype=float)


def signal_to_noise(curve: NDArray[np.void]) -> Floats:
    """Of its detections [D], of either sign."""
    seen = curve[curve["detected"]]
    return np.asarray(np.abs(seen["flux_njy"] / seen["flux_err_njy"]), dtype=np.float64)


def magnitudes(curve: NDArray[np.void]) -> Floats:
    """Of its brightest detection, in AB [1]; of none [0]."""
    seen: Floats = np.abs(curve["flux_njy"][curve["detected"]]).astype(float)
    return 31.4 - 2.5 * np.log10(np.maximum(seen.max(keepdims=True), 1e-3)) if len(seen) else seen


def gaps(curve: NDArray[np.void]) -> Floats:
    """Days between detections in one band [G]."""
    seen = curve[curve["detected"]]
    return np.concatenate([np.diff(seen["mjd_tai"][seen["band"] == band]) for band in range(len(BANDS))])


def colours(curve: NDArray[np.void]) -> Floats:
    """Its g - r, of the brightest detections in both [1]; [0] where one of them has none."""
    best = [curve["flux_njy"][curve["detected"] & (curve["band"] == band)] for band in (G, R)]
    if not all(len(own) and own.max() > 0 for own in best):
        return np.zeros(0)
    return np.array([-2.5 * np.log10(best[0].max() / best[1].max())], dtype=float)


LOOKS: dict[str, tuple[Callable[[NDArray[np.void]], Floats], NDArray[np.float64], str]] = {  # what, bins, scale
    "observations of an object": (points, np.geomspace(1, 2000, 40), "log"),
    "signal-to-noise of detections": (signal_to_noise, np.geomspace(2, 1000, 40), "log"),
    "magnitude of the brightest detection": (magnitudes, np.linspace(12, 27, 40), "linear"),
    "days between detections in a band": (gaps, np.geomspace(0.01, 400, 40), "log"),
    "g - r between the brightest detections": (colours, np.linspace(-2, 3, 40), "linear"),
}


def draw_views(out: Path, shown: Mapping[str, Objects], skies: Mapping[str, Objects]) -> None:
    """views.png: every look of the light curves of views, by name, in full lines, and of real sets in broken ones."""
    with page(out / "views.png", "views of PLAsTiCC's objects, and sets of other light curves", 3, 2, (12, 12)) as axes:
        for axis, (what, (of, bins, scale)) in zip(axes.flat, LOOKS.items(), strict=False):
            for sets, style in ((shown, STYLES[0]), (skies, STYLES[1])):
                for i, (name, objects) in enumerate(sets.items()):
                    values = np.concatenate([of(curve) for curve in objects.curves])
                    share, _ = np.histogram(np.clip(values, bins[0], bins[-1]), bins)
                    heights = share / max(share.sum(), 1)
                    width = THINNEST + len(sets) - 1 - i  # so that of equal ones all are seen
                    colour = COLOURS[i % len(COLOURS)]
                    axis.stairs(heights, bins, color=colour, linestyle=style, linewidth=width, label=name)
            axis.set_xscale(scale)
            axis.set_xlabel(what)
            axis.set_ylabel("share")
        handles, names = axes.flat[0].get_legend_handles_labels()
        axes.flat[-1].axis("off")
        axes.flat[-1].legend(handles, names, ncols=2, loc="center")
