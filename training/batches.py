"""From a data set to batches of tensors: drawn by class, augmented, encoded, bucketed by length."""

from collections.abc import Iterator, Sequence
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
from training.examples import Example, Pool, show
from training.recipe import Recipe, Sampling
from training.views import VIEWS, unmatched


class Batch(NamedTuple):
    """B curves, padded to T, to be read out after R observations each."""

    inputs: Tensor  # [B, T, F]
    statistics: Tensor  # [B, T, S]
    lengths: Tensor  # [B]
    readout: Tensor  # [B, R]
    weights: Tensor  # [B, R]: of each readout's loss
    columns: Tensor  # [B]: of their classes
    shift: Tensor  # [14]: added to the logits for the loss alone


class Draws(NamedTuple):
    """How the objects of an epoch are drawn, and what makes their loss the metric's."""

    probability: NDArray[np.float64]  # [N], of each object
    weights: NDArray[np.float64]  # [14], of the losses of each class
    shift: NDArray[np.float32]  # [14], of the logits


def class_draws(labels: NDArray[np.intp], recipe: Sampling) -> Draws:
    """How objects of N labels are drawn: with a probability ~ N_c ** class_power.

    To serve the metric, whose classes weigh what they weigh however often they are drawn, the loss is either `weighted`
    (draws times weight give every class its weight in the metric; the weights' mean over draws is 1), or `adjusted`:
    every draw counts the same, and ln(share of the draws / weight in the metric) is added to the logits, which leaves
    to the logits themselves what a class's frequency does not explain (Menon et al. 2021, arXiv:2007.07314). Both have
    the same optimum; the adjusted loss has no heavy examples of rare classes.
    """
    counts = np.bincount(labels, minlength=len(CLASSES)).astype(float)
    per_class = np.where(counts > 0, np.maximum(counts, 1) ** (1 + recipe.class_power), 0)  # share of the draws
    per_class /= per_class.sum()
    probability = (per_class / np.maximum(counts, 1))[labels]
    probability /= probability.sum()
    metric = np.array(METRIC_WEIGHTS)
    if recipe.loss == "adjusted":
        least = per_class[counts > 0].min()  # of a class that does not occur, so that its logits are still pressed down
        shift = np.log(np.maximum(per_class, least) / metric)
        return Draws(probability, np.ones(len(CLASSES)), shift.astype(np.float32))
    weights = np.where(counts > 0, metric / np.maximum(per_class, 1e-12), 0)
    weights /= (per_class * weights).sum()
    return Draws(probability, weights, np.zeros(len(CLASSES), np.float32))


def epoch(objects: Objects, pool: Pool, recipe: Recipe, number: int, ztf_pool: Pool | None = None) -> Iterator[Batch]:
    """One epoch of training: the same for the same seed and number, whatever came before.

    Args:
        objects: to learn from.
        pool: the examples of each of them.
        recipe: how.
        number: of the epoch.
        ztf_pool: each of them as ZTF would see it, several times or not at all; None where the recipe draws no views.
    """
    rng = np.random.default_rng([recipe.seed, number])
    labels = class_columns(objects.labels)
    draws = class_draws(labels, recipe.sampling)
    drawn = rng.choice(len(objects), size=len(objects), p=draws.probability)
    if ztf_pool is None:
        shown = [show(pool[i], recipe.redshift.share, rng) for i in drawn]
        seen = [augment(example.curve, example.context, recipe.augmentation, rng) for example in shown]
    else:
        seen = [as_seen(pool[i], ztf_pool[i], recipe, rng) for i in drawn]
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
        weights *= draws.weights[columns][:, None] / weights.mean()
        yield Batch(
            torch.from_numpy(encoded.inputs),
            torch.from_numpy(encoded.statistics),
            torch.from_numpy(lengths),
            torch.from_numpy(readout),
            torch.from_numpy(weights.astype(np.float32)),
            torch.from_numpy(columns),
            torch.from_numpy(draws.shift),
        )


def as_seen(
    options: Sequence[Example], ztf_options: Sequence[Example], recipe: Recipe, rng: np.random.Generator
) -> tuple[NDArray[np.void], np.void]:
    """A light curve and a context as some survey would have shown this object.

    Args:
        options: the object as it is, then its versions at other redshifts.
        ztf_options: as ZTF would see it; it is shown as PLAsTiCC has it where there are none.
        recipe: how often which.
        rng: to draw by.
    """
    views = recipe.views
    shares = {"ztf": views.ztf if ztf_options else 0.0, "rubin": views.rubin, "elasticc": views.elasticc}
    place = int(np.searchsorted(np.cumsum(list(shares.values())), rng.random(), side="right"))
    name = [*shares, "plasticc"][place]
    if name in ("ztf", "rubin") and rng.random() < views.matched:
        name = f"{name}-matched"
    if name.startswith("ztf"):
        example = ztf_options[int(rng.integers(len(ztf_options)))]
    else:
        example = show(options, recipe.redshift.share, rng)
    curve, context = augment(example.curve, example.context, recipe.augmentation, rng)
    if name.startswith("ztf"):
        return curve, context if name.endswith("matched") else unmatched(context)
    found = VIEWS[name](curve, context, rng)
    return (curve, context) if found is None else found


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
                torch.zeros(len(CLASSES)),
            ),
        )
