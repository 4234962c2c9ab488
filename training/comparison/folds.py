"""The recipe over all folds: what each artefact found on its own test part, beside the artefact that is shipped."""

import json
from pathlib import Path

from model.artefact import MANIFEST
from training.comparison import results
from training.splits import FOLDS


class FoldsError(ValueError):
    """Folds do not belong together, or one is missing; the message says what to do."""


def gather(runs: Path, recipe: str, folder: Path) -> None:
    """Write folds.json beside an artefact, from those of all folds of a recipe: {fold: figures, seed, seconds, ...}.

    Raises:
        FoldsError: a fold has not been fitted, or by another recipe or on other data than the rest.
    """
    kept = {}
    for k in range(FOLDS):
        path = runs / f"{recipe}-fold{k}" / "artefact" / MANIFEST
        if not path.is_file():
            raise FoldsError(f"{path} is not there; run `misweeper-train fit --recipe {recipe} --fold {k}`")
        kept[str(k)] = json.loads(path.read_text(encoding="utf-8"))
    records = {k: manifest["record"] for k, manifest in kept.items()}
    if any((r["recipe"], r["data"]) != (records["0"]["recipe"], records["0"]["data"]) for r in records.values()):
        raise FoldsError(f"the folds of {recipe} in {runs} are of different recipes or data; fit them again")
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
