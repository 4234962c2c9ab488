"""LightGBM on the same folds and at the same times: the anchor that a network has to beat (extra `train`).

A model a cut, of what `model` makes of the observations up to it: the running statistics of `features.encode`, the
statistics of the 2018 report, and differences between neighbouring bands. Chosen by fold 0's validation part: training
with the classes as often as they occur and putting the metric's priors in afterwards (WLL of full curves 0.492 against
0.566 with weighted classes), trees of 7 leaves.
"""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.calibration import fit_temperature, natural_prior_log_ratio, probabilities
from model.features import STATISTICS, encode, pad
from model.observation import BANDS
from model.scores import class_columns
from model.taxonomy import CLASSES
from training.comparison import paper
from training.dataset import Objects
from training.evaluate import CUTS, Probabilities, lengths
from training.metrics import balanced_weights

ROUNDS, PATIENCE = 600, 25
SETTINGS: dict[str, Any] = {
    "objective": "multiclass", "num_class": len(CLASSES), "learning_rate": 0.06, "num_leaves": 7, "max_bin": 127,
    "min_data_in_leaf": 20, "feature_fraction": 0.4, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0,
    "seed": 2018, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}  # fmt: skip
Floats = NDArray[np.float32]


def classify(
    training: Objects, validation: Objects, test: Objects, progress: Callable[[int], None] = lambda _: None
) -> tuple[Probabilities, Probabilities, float]:
    """Train and calibrate a model a cut, and classify the test objects with them.

    Returns:
        probabilities with balanced and with natural priors [N, cuts, 14]; the seconds it took.
    """
    began = time.monotonic()
    columns, known = class_columns(training.labels), class_columns(validation.labels)
    counts = np.bincount(columns, minlength=len(CLASSES)) + 0.5
    ratio = natural_prior_log_ratio(torch.from_numpy(counts / counts.sum()).float())
    weights = torch.from_numpy(balanced_weights(known))
    sets = [features(part) for part in (training, validation, test)]
    balanced, natural = [], []
    for learned, held, asked in zip(*sets, strict=True):
        model = fit(learned, columns, held, known)
        mine, theirs = (logits(model, rows, ratio) for rows in (held, asked))
        temperature = fit_temperature(mine, torch.from_numpy(known), weights)
        balanced.append(probabilities(theirs, temperature).numpy())
        natural.append(probabilities(theirs, temperature, ratio).numpy())
        progress(1)
    return np.stack(balanced, axis=1), np.stack(natural, axis=1), time.monotonic() - began


def features(objects: Objects) -> list[Floats]:
    """The features [N, F] of objects, one array for each of CUTS."""
    ends, statistics = lengths(objects), []
    for start in range(0, len(objects), 128):
        rows = slice(start, start + 128)
        encoded = encode(*pad(objects.curves[rows]), objects.contexts[rows])
        statistics.append(np.take_along_axis(encoded.statistics, ends[rows][..., None] - 1, axis=1))
    running = np.concatenate(statistics)  # [N, cuts, S]
    result = []
    for i in range(len(CUTS)):
        report = paper.encode(objects, ends[:, i]).statistics.numpy()
        result.append(np.concatenate([running[:, i], report, colours(running[:, i])], axis=1))
    return result


def colours(statistics: Floats) -> Floats:
    """Differences [N, 32] between neighbouring bands, and within a band, of running statistics [N, S]."""
    own = dict(zip(STATISTICS, statistics.T, strict=True))
    pairs = [
        (f"{name}_{blue}", f"{name}_{red}")
        for name in ("max", "min", "mean", "weighted_mean")
        for blue, red in pairwise(BANDS)
    ]
    pairs += [pair for b in BANDS for pair in ((f"max_{b}", f"mean_{b}"), (f"last_{b}", f"max_{b}"))]
    return np.stack([own[one] - own[other] for one, other in pairs], axis=1)


def fit(learned: Floats, columns: NDArray[np.intp], held: Floats, known: NDArray[np.intp]) -> lightgbm.Booster:
    """A model of features [N, F], stopped where the log loss of the validation objects no longer falls."""
    training = lightgbm.Dataset(learned, columns)
    validation = lightgbm.Dataset(held, known, reference=training)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    return lightgbm.train(SETTINGS, training, ROUNDS, valid_sets=[validation], callbacks=[stop])


def logits(model: lightgbm.Booster, rows: Floats, prior_log_ratio: Tensor) -> Tensor:
    """Logits [N, 14] with balanced priors: the model learned with the natural ones."""
    raw = torch.from_numpy(np.asarray(model.predict(rows, raw_score=True)))
    return raw.float() - prior_log_ratio
