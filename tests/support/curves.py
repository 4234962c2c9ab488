"""Light curves for tests: made up, but of every kind a survey sends."""

import numpy as np

from model.features import contexts
from model.observation import OBSERVATION, Context, LightCurve
from model.runs import Runs

CONTEXTS = (
    Context(0.4, 0.05, 0.03, True),
    Context(0.0, 0.0, 0.2, False),
    Context(),
    Context(2.5, 1.0, 0.01, None),
)


def curve(n: int, seed: int = 0) -> np.ndarray:
    """A light curve [n]: noise, and a transient in the middle."""
    rng = np.random.default_rng([seed, n])
    rows = np.zeros(n, OBSERVATION)
    rows["mjd_tai"] = np.sort(rng.uniform(59_000, 60_000, n))
    rows["flux_njy"] = rng.normal(0, 300, n) + 20_000 * np.exp(-(((rows["mjd_tai"] - 59_500) / 60) ** 2))
    rows["flux_err_njy"] = rng.uniform(50, 500, n)
    rows["band"] = rng.integers(0, 6, n)
    rows["detected"] = rows["flux_njy"] > 5 * rows["flux_err_njy"]
    return LightCurve.of(rows).observations


def context_rows(n: int) -> np.ndarray:
    """Contexts [n] of every kind."""
    return contexts([CONTEXTS[i % len(CONTEXTS)] for i in range(n)])


def runs_of(
    start: np.ndarray, curves: list[np.ndarray], contexts: np.ndarray, states: np.ndarray | None = None
) -> Runs:
    """Runs of light curves [B], from the start or from states, with a verdict after each observation."""
    rows = np.concatenate(curves)
    before = np.tile(start, (len(curves), 1)) if states is None else states
    return Runs(before, rows, np.cumsum([len(c) for c in curves]), contexts, np.arange(len(rows)))
