"""From a data set to batches of tensors: drawn by class, augmented, encoded, bucketed by length."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.features import CONTEXT, encode, pad
from model.scores import class_columns
from model.taxonomy import CLASSES, METRIC_WEIGHTS
from training.augment import augment
from training.dataset import Objects
from training.examples import Pool, show
from training.recipe import Recipe, Sampling


class Batch(NamedTuple):
    """B curves, padded to T, to be read out after R observations each."""

    inputs: Tensor  # [B, T, F]
    statistics: Tensor  # [B, T, S]
    lengths: Tensor  # [B]
    readout: Tensor  # [B, R]
    weights: Tensor  # [B, R]: of each readout's loss
    columns: Tensor  # [B]: of their classes


def class_draws(labels: NDArray[np.intp], power: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How objects of N labels are drawn, and how their losses are weighted to match the metric.

    Returns:
        probability [N] of drawing each object, ~ N_c ** power a class; loss weight [14] of each class, so that draws
        times weight give every class its weight in the metric; the weights' mean over draws is 1.
    """
    counts = np.bincount(labels, minlength=len(CLASSES)).astype(float)
    per_class = np.where(counts > 0, np.maximum(counts, 1) ** (1 + power), 0)  # share of the draws
    per_class /= per_class.sum()
    weights = np.where(counts > 0, np.array(METRIC_WEIGHTS) / np.maximum(per_class, 1e-12), 0)
    weights /= (per_class * weights).sum()
    probability = (per_class / np.maximum(counts, 1))[labels]
    return probability / probability.sum(), weights


def epoch(objects: Objects, pool: Pool, recipe: Recipe, number: int) -> Iterator[Batch]:
    """One epoch of training: the same for the same seed and number, whatever came before.

    Args:
        objects: to learn from.
        pool: the examples of each of them.
        recipe: how.
        number: of the epoch.
    """
    rng = np.random.default_rng([recipe.seed, number])
    labels = class_columns(objects.labels)
    probability, class_weights = class_draws(labels, recipe.sampling.class_power)
    drawn = rng.choice(len(objects), size=len(objects), p=probability)
    shown = [show(pool[i], recipe.redshift.share, rng) for i in drawn]
    seen = [augment(example.curve, example.context, recipe.augmentation, rng) for example in shown]
    curves = [curve for curve, _ in seen]
    size = recipe.optimiser.batch_size
    order = np.argsort([len(c) + rng.uniform(0, 8) for c in curves])
    starts = rng.permutation(np.arange(0, len(order), size))
    for start in starts:
        chosen = order[start : start + size]
        context = np.array([seen[i][1] for i in chosen], dtype=CONTEXT)
        observations, lengths = pad([curves[i] for i in chosen])
        encoded = encode(observations, lengths, context)
        readout = draw_readouts(observations, lengths, recipe.sampling, rng)
        columns = labels[drawn[chosen]]
        weights = np.ones(readout.shape)
        weights[:, 0] = recipe.sampling.full_weight
        weights *= class_weights[columns][:, None] / weights.mean()
        yield Batch(
            torch.from_numpy(encoded.inputs),
            torch.from_numpy(encoded.statistics),
            torch.from_numpy(lengths),
            torch.from_numpy(readout),
            torch.from_numpy(weights.astype(np.float32)),
            torch.from_numpy(columns),
        )


def draw_readouts(
    observations: NDArray[np.void], lengths: NDArray[np.int64], recipe: Sampling, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Where to ask for the class, [B, R]: the end, half of the others by log time since detection, half anywhere."""
    readout = np.empty((len(lengths), recipe.readouts), dtype=np.int64)
    timed = (recipe.readouts - 1) // 2
    for row, (curve, n) in enumerate(zip(observations, lengths, strict=True)):
        seen = curve[:n]
        detections = np.flatnonzero(seen["detected"])
        first = seen["mjd_tai"][detections[0] if len(detections) else 0]
        days = np.exp(rng.uniform(0, np.log(recipe.longest_days), timed))
        readout[row, 0] = n - 1
        readout[row, 1 : 1 + timed] = np.searchsorted(seen["mjd_tai"], first + days, side="right") - 1
        readout[row, 1 + timed :] = rng.integers(0, n, recipe.readouts - 1 - timed)
    return readout


def cut(curve: NDArray[np.void], days: float | None = None, observations: int | None = None) -> int:
    """How many observations [T] a curve has until so many days after its first detection, or so many observations."""
    n = len(curve) if observations is None else min(observations, len(curve))
    if days is None:
        return n
    detections = np.flatnonzero(curve["detected"])
    first = curve["mjd_tai"][detections[0] if len(detections) else 0]
    return min(n, int(np.searchsorted(curve["mjd_tai"], first + days, side="right")))


def plain(data: Objects, readout: NDArray[np.int64], size: int = 128) -> Iterator[tuple[NDArray[np.intp], Batch]]:
    """Every object once, as it is, bucketed by length: its indices and a batch. `readout` is [N, R]."""
    order = np.argsort([len(c) for c in data.curves], kind="stable")
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        observations, lengths = pad([data.curves[i] for i in chosen])
        encoded = encode(observations, lengths, data.contexts[chosen])
        yield (
            chosen,
            Batch(
                torch.from_numpy(encoded.inputs),
                torch.from_numpy(encoded.statistics),
                torch.from_numpy(lengths),
                torch.from_numpy(readout[chosen]),
                torch.ones(readout[chosen].shape),
                torch.zeros(len(chosen), dtype=torch.long),  # no class is asked for: there may be none
            ),
        )
