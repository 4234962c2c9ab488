"""Figures that take long to compute, kept as JSON beside the artefact they belong to.

Those of the artefact that ships are in `reports`, and do not ship with it: to classify, none of them is needed.

folds.json     {fold: {"metrics", "seed", "seconds"}} of the artefact's recipe, a network a fold
anchors.json   {name: {fold: {"metrics", "seconds"}}} of LightGBM and the report's network on the same folds
left_out.json  {class: {...}} of networks that never saw that class: see `training.comparison.leaveout`
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.artefact import DEFAULT
from training.files import DataError, replacing

FOLDS, ANCHORS, LEFT_OUT, FIGURES = "folds.json", "anchors.json", "left_out.json", "figures.json"
REPORTS = Path(__file__).parent / "reports"
SCORES = ("accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece")
UNSEEN = ("anomaly_auroc", "anomaly_auroc_d30", "p99_auroc", "alerts_found", "wll_with_99")
SHORT = ("split", "objects", "wll", *SCORES, "errors")  # what is kept of an anchor's figures


def place(folder: Path, name: str) -> Path:
    """Where one of the files is, of the artefact in this directory."""
    apart = name in (FOLDS, ANCHORS, LEFT_OUT) and folder.resolve() == DEFAULT.resolve()
    return (REPORTS if apart else folder) / name


def read(folder: Path, name: str) -> dict[str, Any]:
    """One of the files; empty where there is none. Raises DataError."""
    path = place(folder, name)
    if not path.is_file():
        return {}
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); delete it and compute it again") from error
    return kept


def keep(folder: Path, name: str, keys: tuple[str, ...], value: Mapping[str, Any]) -> None:
    """Put a value into one of the files at a path of keys; what else is there stays."""
    whole = read(folder, name)
    inner = whole
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = dict(value)
    write(folder, name, whole)


def write(folder: Path, name: str, whole: Mapping[str, Any]) -> None:
    """Write one of the files, whole or not at all. Raises DataError."""
    with replacing(place(folder, name)) as partial:
        partial.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def short(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The main ones of some figures."""
    kept = {key: figures[key] for key in SHORT}
    kept["errors"] = {key: figures["errors"][key] for key in ("wll", *SCORES)}
    return kept


def across(kept: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several folds under the keys of one: means, and as `errors` the standard deviations over folds.

    Every object is tested on in one fold, so `objects` is the sum.
    """
    figures = [fold["metrics"] for fold in kept.values()]
    mean, spread = {}, {}
    for key in SCORES:
        mean[key], spread[key] = moments(f[key] for f in figures)
    shifts = [fold["domain_shift"] for fold in kept.values() if "domain_shift" in fold]
    shift = {key: moments(s[key] for s in shifts)[0] for key in shifts[0]} if len(shifts) == len(kept) else {}
    losses = {cut: moments(f["wll"][cut] for f in figures) for cut in figures[0]["wll"]}
    return {
        "split": f"mean and standard deviation over folds {', '.join(sorted(kept))}",
        "objects": sum(f["objects"] for f in figures),
        "wll": {cut: value for cut, (value, _) in losses.items()},
        **mean,
        **({"domain_shift": shift} if shift else {}),
        "errors": {"wll": {cut: error for cut, (_, error) in losses.items()}, **spread},
    }


def unseen(folder: Path) -> dict[str, dict[str, float]]:
    """What leave-one-class-out gave, by class."""
    kept = read(folder, LEFT_OUT)
    return {key: {c: own[key] for c, own in kept.items()} for key in UNSEEN}


def summary(folder: Path, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """An artefact's own held-out figures, and those of its recipe over the folds, under the same keys.

    Args:
        folder: of the artefact.
        metrics: those of its record.
    """
    parts = {"held_out": short(metrics)}
    if kept := read(folder, FOLDS):
        parts["folds"] = across(kept)
    return {name: figures | unseen(folder) for name, figures in parts.items()}


def moments(values: Iterable[float]) -> tuple[float, float]:
    """Mean, and standard deviation (n - 1); 0 of a single value."""
    numbers = np.array(list(values))
    return float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0
