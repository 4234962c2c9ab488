"""The whole of `misweeper-train fit`: data, split, training, calibration, figures on the test part, an artefact."""

import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.artefact import CARD, Artefact, save
from model.network import LightCurveLSTM
from training import splits
from training.calibrate import calibrate
from training.card import card
from training.checkpoint import Progress
from training.dataset import Objects
from training.distil import soften, teacher_of
from training.evaluate import evaluate, rounded, shift
from training.examples import plain_pool
from training.recipe import Recipe
from training.train import train

OnEpoch = Callable[[str, dict[str, float]], None]  # which network, figures of the epoch just done

DOI = "10.5281/zenodo.2539456"


def fit_fold(
    recipe: Recipe, objects: Objects, k: int, runs: Path, on_epoch: OnEpoch = lambda *_: None
) -> tuple[LightCurveLSTM, Progress]:
    """Train the teachers, then the network that learns from them, on fold k; each goes on where it was killed.

    Args:
        recipe: how.
        objects: all of them; the test part of fold k is not looked at.
        k: the fold.
        runs: folder for checkpoints and logs, a folder in it for each network.
        on_epoch: told of each epoch.

    Returns:
        what `train` returns, its seconds those of the whole.
    """
    split = splits.fold(objects.ids, objects.labels, splits.SEED, k)
    training, validation = objects.take(split.train), objects.take(split.validation)
    pool, teachers, seconds = plain_pool(training), [], 0.0
    name = f"{recipe.name}-fold{k}"
    for i in range(1, 1 + recipe.distillation.teachers):
        tell = partial(on_epoch, f"teacher {i}")
        network, progress = train(teacher_of(recipe, i), training, validation, runs / f"{name}-teacher{i}", tell)
        teachers.append(network)
        seconds += progress.seconds
    if teachers:
        pool = soften(pool, teachers, validation)
    network, progress = train(recipe, training, validation, runs / name, partial(on_epoch, "network"), pool=pool)
    return network, replace(progress, seconds=seconds + progress.seconds)


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
    artefact = calibrate(network, f"{recipe.name}-fold{k}", objects.take(split.train), objects.take(split.validation))
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
    (folder / CARD).write_text(card(saved), encoding="utf-8")
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
