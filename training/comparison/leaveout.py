"""How well class 99 works: networks that never saw a class, asked about its objects.

A network is trained on a fold's training part without one class, by the artefact's recipe with fewer epochs, and tells
the fold's test objects of that class from those of the known classes. AUROC is within the galactic or the extragalactic
group: across them the photo-z alone would tell. P99 of the report and the anomaly score stand side by side.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import anomaly
from model.classifier import Classifier
from model.scores import class_columns
from model.taxonomy import CLASS_IDS, GALACTIC_CLASSES, METRIC_WEIGHTS
from training.answers import Answers, answers
from training.calibrate import calibrate
from training.dataset import Objects
from training.evaluate import CUTS, predict
from training.metrics import auroc, found_at, log_loss
from training.recipe import Recipe
from training.splits import SEED, fold
from training.train import train

LEFT_OUT = (15, 64, 95, 53, 88)
ANOMALY_WEIGHT = 2.0  # of class 99 in the PLAsTiCC metric
FALSE_ALARMS = 0.01  # of the known classes' alerts
FALSE_ALARM_RATES = (0.0, 0.005, 0.01, 0.02, 0.05, *np.arange(1, 11) / 10)  # of the ROC curves kept


def leave_out(
    recipe: Recipe,
    left_out: int,
    objects: Objects,
    k: int,
    folder: Path,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> dict[str, Any]:
    """Train on fold k without a class, and say how well it is told from the known classes of its group.

    Args:
        recipe: how to train.
        left_out: PLAsTiCC's number of the class.
        objects: all of them.
        k: the fold.
        folder: for checkpoints.
        on_epoch: told the figures of each epoch.
    """
    training, validation, test = parts(objects, k, left_out)
    network, progress = train(recipe, training, validation, folder, on_epoch)
    artefact = calibrate(network, f"{recipe.name}-without-{left_out}", training, validation, recipe)
    balanced, _, by_cut = predict(artefact, test)
    scores = by_cut[:, 0]
    given = answers(Classifier(artefact, device="cpu"), test)
    p99 = anomaly.p99(torch.from_numpy(balanced[:, 0])).numpy()
    same = np.isin(test.labels, sorted(GALACTIC_CLASSES)) == (left_out in GALACTIC_CLASSES)
    unknown = test.labels[same] == left_out
    return {
        "fold": k,
        "objects": int(unknown.sum()),
        "others": int((~unknown).sum()),
        "anomaly_auroc": auroc(scores[same], unknown),
        "anomaly_auroc_d30": auroc(by_cut[same, list(CUTS).index("d30")], unknown),
        "p99_auroc": auroc(p99[same], unknown),
        "wll_with_99": loss_with_99(balanced[:, 0], p99, test.labels, left_out),
        "flagged": float(given.flagged[given.last][same][unknown].mean()),
        "alerts_found": alerts_found(given, test.labels == left_out, same),
        "false_alarm_rates": list(FALSE_ALARM_RATES),
        "anomaly_found": found_at(scores[same], unknown, np.array(FALSE_ALARM_RATES)).tolist(),
        "p99_found": found_at(p99[same], unknown, np.array(FALSE_ALARM_RATES)).tolist(),
        "epochs": progress.epoch,
        "seconds": round(progress.seconds),
    }


def parts(objects: Objects, k: int, left_out: int) -> tuple[Objects, Objects, Objects]:
    """Training and validation part of fold k without the class, and the whole test part."""
    split = fold(objects.ids, objects.labels, SEED, k)
    training, validation = (objects.take(r[objects.labels[r] != left_out]) for r in (split.train, split.validation))
    return training, validation, objects.take(split.test)


def alerts_found(given: Answers, unknown: NDArray[np.bool_], same: NDArray[np.bool_]) -> float:
    """The share of an unknown class's alerts that are flagged where one in a hundred of the others' is.

    Thresholds are the artefact's, all moved by the same.

    Args:
        given: on objects [N].
        unknown: [N], of the class left out.
        same: [N], of its group.
    """
    own = given.alert & same[given.owner]
    margins = (given.scores - given.thresholds)[own]
    return float(found_at(margins, unknown[given.owner][own], np.array([FALSE_ALARMS]))[0])


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """The same recipe with so many epochs at most."""
    fewer = recipe.optimiser.model_copy(update={"epochs": min(epochs, recipe.optimiser.epochs)})
    return recipe.model_copy(update={"optimiser": fewer})


def loss_with_99(
    known: NDArray[np.float32], p99: NDArray[np.float32], labels: NDArray[np.int64], left_out: int
) -> float:
    """The PLAsTiCC metric over 13 known classes and class 99, whose objects are those of the class left out.

    Args:
        known: probabilities [N, 14]; they give p99 its share, so that the 15 sum to 1.
        p99: [N].
        labels: [N].
        left_out: PLAsTiCC's number of the class.
    """
    rows = np.concatenate([known * (1 - p99[:, None]), p99[:, None]], axis=1)
    columns = np.where(labels == left_out, len(CLASS_IDS), class_columns(labels))
    losses, weights = log_loss(rows, columns), np.array([*METRIC_WEIGHTS, ANOMALY_WEIGHT])
    present = np.unique(columns)
    means = np.array([losses[columns == c].mean() for c in present])
    return float((weights[present] * means).sum() / weights[present].sum())
