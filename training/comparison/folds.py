"""The recipe over all folds: what each artefact found on its own test part, beside the artefact that is shipped."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.artefact import MANIFEST, load
from training.comparison import results
from training.dataset import Objects
from training.evaluate import figures, predict
from training.splits import FOLDS, SEED, fold
from training.views import VIEW_SEED, viewed


class FoldsError(ValueError):
    """Folds do not belong together, or one is missing; the message says what to do."""


def gather(runs: Path, recipe: str, folder: Path) -> None:
    """Write folds.json beside an artefact, from those of all folds of a recipe: {fold: figures, seed, seconds, ...}.

    Raises:
        FoldsError: a fold has not been fitted, or by another recipe or on other data than the rest.
    """
    kept = {str(k): manifest for k, manifest in enumerate(manifests(runs, recipe).values())}
    records = {k: manifest["record"] for k, manifest in kept.items()}
    folds = {
        k: {
            "metrics": record["metrics"],
            **({"domain_shift": record["domain_shift"]} if "domain_shift" in record else {}),
            "seed": record["seed"],
            "seconds": record["training"]["seconds"],
            "best_epoch": record["training"]["best_epoch"],
            "temperature": kept[k]["temperature"],
            "weights_sha256": kept[k]["weights_sha256"],
        }
        for k, record in records.items()
    }
    results.write(folder, results.FOLDS, folds)


def pooled(runs: Path, recipe: str, objects: Objects, view: str) -> dict[str, Any]:
    """The figures of all objects [N] as a view shows them, each answered by the fold's network that never saw it.

    A calibration error is never below what chance makes of so few objects as one fold tests, some .03; of all of them
    together it is a third of that.

    Raises:
        FoldsError: a fold has not been fitted, or by another recipe or on other data than the rest.
    """
    folders = manifests(runs, recipe)
    tested = [objects.take(fold(objects.ids, objects.labels, SEED, k).test) for k in range(FOLDS)]
    parts = [viewed(part, view, VIEW_SEED) for part in tested]
    answers = [predict(load(folder), part) for folder, part in zip(folders, parts, strict=True)]
    balanced, natural = (np.concatenate([answer[which] for answer in answers]) for which in (0, 1))
    labels, contexts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "contexts"))
    together = replace(objects, labels=labels, contexts=contexts)
    return figures(balanced, natural, together, f"PLAsTiCC training set, the test parts of {FOLDS} folds, view {view}")


def manifests(runs: Path, recipe: str) -> dict[Path, dict[str, Any]]:
    """What each fold's artefact says, by its folder, in the order of the folds.

    Raises:
        FoldsError: a fold has not been fitted, or by another recipe or on other data than the rest.
    """
    found: dict[Path, dict[str, Any]] = {}
    for k in range(FOLDS):
        folder = runs / f"{recipe}-fold{k}" / "artefact"
        path = folder / MANIFEST
        if not path.is_file():
            raise FoldsError(f"{path} is not there; run `misweeper-train fit --recipe {recipe} --fold {k}`")
        found[folder] = json.loads(path.read_text(encoding="utf-8"))
    first, *others = (manifest["record"] for manifest in found.values())
    if any((r["recipe"], r["data"]) != (first["recipe"], first["data"]) for r in others):
        raise FoldsError(f"the folds of {recipe} in {runs} are of different recipes or data; fit them again")
    return found
