"""The whole of `misweeper-train fit`: data, split, training, calibration, figures on the test part, an artefact."""

import platform
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model import drift
from model.artefact import CARD, Artefact, save
from model.network import LightCurveLSTM
from training import splits
from training.calibrate import calibrate
from training.card import card
from training.checkpoint import Progress
from training.dataset import Objects
from training.evaluate import evaluate, rounded, shift
from training.files import replacing
from training.inputs import input_shares
from training.recipe import Recipe
from training.train import train

DOI = "10.5281/zenodo.2539456"


def fit_fold(
    recipe: Recipe,
    objects: Objects,
    k: int,
    folder: Path,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> tuple[LightCurveLSTM, Progress]:
    """Train on fold k, or go on where it was killed.

    Args:
        recipe: how.
        objects: all of them; the test part of fold k is not looked at.
        k: the fold.
        folder: for checkpoints and log.csv.
        on_epoch: told the figures of each epoch.
    """
    split = splits.fold(objects.ids, objects.labels, splits.SEED, k)
    training, validation = objects.take(split.train), objects.take(split.validation)
    return train(recipe, training, validation, folder, on_epoch)


def finish(
    recipe: Recipe,
    trained: tuple[LightCurveLSTM, Progress],
    objects: Objects,
    k: int,
    folder: Path,
    *,
    shifted: Objects | None = None,
) -> Artefact:
    """Calibrate, evaluate on the test part of fold k, and save the artefact with its card.

    Args:
        recipe: by which the network was trained.
        trained: the network, and how its training on fold k went.
        objects: all of them, the three parts together.
        k: the fold.
        folder: for the artefact.
        shifted: the unblinded objects of the test set, if they are at hand.
    """
    network, progress = trained
    split = splits.fold(objects.ids, objects.labels, splits.SEED, k)
    training, validation = objects.take(split.train), objects.take(split.validation)
    artefact = calibrate(network, f"{recipe.name}-fold{k}", training, validation, recipe.views)
    metrics = evaluate(artefact, objects.take(split.test), split_name(k))
    record: dict[str, Any] = {
        "recipe": recipe.model_dump(),
        "seed": recipe.seed,
        "split": {
            "function": splits.NAME,
            "seed": splits.SEED,
            "fold": k,
            **{name: len(rows) for name, rows in split._asdict().items()},
        },
        "data": {"name": "PLAsTiCC training set", "doi": DOI, "licence": "CC BY 4.0", "sha256": digest(objects)},
        "training": {
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "seconds": round(progress.seconds),
            "threads": torch.get_num_threads(),
            "validation": rounded(progress.history[progress.best_epoch - 1]),
        },
        "parameters": sum(p.numel() for p in network.parameters()),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "metrics": rounded(metrics),
    }
    if shifted is not None:
        record["domain_shift"] = rounded(shift(artefact, shifted))
    saved = save(folder, replace(artefact, record=record))
    drift.write_shares(folder, input_shares(training, splits.SEED))
    with replacing(folder / CARD) as partial:
        partial.write_text(card(saved), encoding="utf-8")
    return saved


def split_name(k: int) -> str:
    """What a report calls the test part of fold k."""
    return f"PLAsTiCC training set, {splits.NAME}, seed {splits.SEED}, fold {k}, test part"


def digest(objects: Objects) -> str:
    """The sha256 of what was trained on: ids, classes, contexts and light curves, by object id."""
    whole = sha256()
    for array in (objects.ids, objects.labels, objects.contexts, *objects.curves):
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()
