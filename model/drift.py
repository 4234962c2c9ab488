"""Whether a classifier is asked what it has learned: how its inputs are distributed, beside how they were in training.

`inputs.json` beside an artefact's two files says, for each input and each survey as training showed it, which share of
the observations lay in each of some ten bins. The population stability index of an input is the sum over the bins of
(found - expected) ln(found / expected); by custom below 0.1 nothing has changed, above 0.25 much has. What no
classification needs is no part of the artefact: where the file is missing or another's, no drift is told.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.features import INPUTS

FILE = "inputs.json"
BINS = 10
LEAST_SHARE = 1e-4  # of a bin: of an empty one the logarithm would be infinite
DIGITS = 6
LARGEST_BYTES = 2**22

Floats = NDArray[np.float64]


class InputShares(NamedTuple):
    """How each of F inputs was distributed in training."""

    edges: list[Floats]  # F times [b - 1], ascending: a value at an edge is below it
    shares: Mapping[str, list[Floats]]  # by survey, F times [b], each sums to 1


def shares_of(inputs: Mapping[str, NDArray[np.float32]]) -> InputShares:
    """The distributions of inputs [m, F] by survey, in bins that hold like many of all together, where they can."""
    whole = np.concatenate(list(inputs.values()))
    quantiles = np.quantile(whole, np.arange(1, BINS) / BINS, axis=0)
    edges = [np.unique(np.round(column.astype(np.float64), DIGITS)) for column in quantiles.T]
    shares = {
        survey: [in_bins(edge, column) / len(rows) for edge, column in zip(edges, rows.T, strict=True)]
        for survey, rows in inputs.items()
    }
    return InputShares(edges, shares)


def in_bins(edges: Floats, values: NDArray[np.float32]) -> Floats:
    """How many of some values [m] lie in each bin [b]."""
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).astype(np.float64)


def stability_index(expected: Floats, found: Floats) -> float:
    """The population stability index of shares [b] and of counts [b]."""
    p, q = np.maximum(expected, LEAST_SHARE), np.maximum(found / max(found.sum(), 1.0), LEAST_SHARE)
    return float(((q - p) * np.log(q / p)).sum())


def write_shares(folder: Path, known: InputShares) -> None:
    """Write it beside an artefact. Raises OSError."""
    told = {
        name: {
            "edges": known.edges[i].tolist(),
            "shares": {survey: np.round(shares[i], DIGITS).tolist() for survey, shares in known.shares.items()},
        }
        for i, name in enumerate(INPUTS)
    }
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(one)}" for name, one in told.items())
    (folder / FILE).write_text(f"{{\n{lines}\n}}\n")


def read_shares(folder: Path) -> InputShares | None:
    """Read it from beside an artefact; None where there is none that fits these inputs."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return None
        told = json.loads(path.read_bytes())
        edges = [np.array(told[name]["edges"], np.float64) for name in INPUTS]
        surveys = list(told[INPUTS[0]]["shares"])
        shares = {s: [np.array(told[name]["shares"][s], np.float64) for name in INPUTS] for s in surveys}
        known = InputShares(edges, shares)
        return known if surveys and list(told) == list(INPUTS) and shares_fit(known) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def shares_fit(known: InputShares) -> bool:
    """Whether edges ascend and every survey has a share of each bin."""
    ascending = all(edge.ndim == 1 and bool((np.diff(edge) > 0).all()) for edge in known.edges)
    each = [zip(shares, known.edges, strict=True) for shares in known.shares.values()]
    return ascending and all(is_whole(one, len(edge) + 1) for pairs in each for one, edge in pairs)


def is_whole(shares: Floats, bins: int) -> bool:
    """Whether these are the shares of so many bins."""
    return shares.shape == (bins,) and bool((shares >= 0).all()) and abs(float(shares.sum()) - 1) < 1e-3
