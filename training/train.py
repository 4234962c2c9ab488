"""Training: epochs over augmented prefixes, an average of the weights, and the epoch that validates best.

Everything random follows from the recipe's seed and the epoch's number, so a run that was killed resumes at its last
whole epoch and ends in the same weights.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.calibration import fit_temperature, probabilities
from model.features import encode, pad
from model.network import LightCurveLSTM, NetworkConfig
from model.scores import class_columns, weighted_log_loss
from model.taxonomy import CLASSES
from training.batches import Batch, cut, epoch, plain
from training.checkpoint import Progress, resume, save
from training.dataset import Objects
from training.metrics import balanced_weights
from training.recipe import Optimiser, Recipe, RecipeError
from training.redshift import whole_pool
from training.views import validation_views, viewed, ztf_versions

CUTS_DAYS = (None, 10.0, 30.0, 60.0)  # after the first detection; None: the full curve


def train(
    recipe: Recipe,
    training: Objects,
    validation: Objects,
    folder: Path,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> tuple[LightCurveLSTM, Progress]:
    """Train, or go on with what `folder` holds.

    Args:
        recipe: how.
        training: objects to learn from.
        validation: objects to choose the epoch by, none of them in training.
        folder: for checkpoints and log.csv.
        on_epoch: told the figures of each epoch.

    Returns:
        the averaged network of the epoch with the least validation loss (mean of WLL at full, +10, +30, +60 days, after
        its best temperature, and over the views that training draws), and how the run went.

    Raises:
        RecipeError: the folder holds a run of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = LightCurveLSTM(NetworkConfig(**recipe.network.model_dump()))
    set_scaler(network, training)
    average = LightCurveLSTM(network.config)
    average.load_state_dict(network.state_dict())
    settings = recipe.optimiser
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    progress = resume(folder, {"network": network, "average": average}, optimiser)
    if progress.recipe not in ({}, recipe.model_dump()):
        raise RecipeError(f"{folder} holds a run of another recipe; delete it, or choose another folder by --runs")
    progress.recipe = recipe.model_dump()
    began = time.monotonic()
    pool = [] if ended(progress, settings) else whole_pool(training, recipe.redshift, recipe.seed)
    ztf_pool = [] if ended(progress, settings) else ztf_versions(training, recipe.views, recipe.seed)
    judged = {name: viewed(validation, name, recipe.seed) for name in validation_views(recipe.views)}
    steps = math.ceil(len(training) / settings.batch_size)
    while not ended(progress, settings):
        number = progress.epoch
        torch.manual_seed(recipe.seed * 100_003 + number)  # dropout
        network.train()
        losses = []
        for i, batch in enumerate(epoch(training, pool, recipe, number, ztf_pool)):
            done = number + i / steps
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * schedule(done, settings.warmup_epochs, settings.epochs)
            losses.append(step(network, optimiser, batch, recipe))
            follow(average, network, min(settings.average, (1 + number * steps + i) / (10 + number * steps + i)))
        score = over_views({name: validate(average, objects) for name, objects in judged.items()})
        progress.epoch = number + 1
        progress.seconds, began = progress.seconds + time.monotonic() - began, time.monotonic()
        row = {"epoch": number + 1, "loss": float(np.mean(losses)), **score, "seconds": round(progress.seconds, 1)}
        progress.history.append(row)
        if score["mean"] < progress.best_score:
            progress.best_score, progress.best_epoch = score["mean"], number + 1
            save_file(average.state_dict(), folder / "best.safetensors")
        save(folder, {"network": network, "average": average}, optimiser, progress)
        on_epoch(row)
    best = LightCurveLSTM(network.config)
    best.load_state_dict(load_file(folder / "best.safetensors"))
    return best.eval(), progress


def ended(progress: Progress, settings: Optimiser) -> bool:
    """Whether the schedule is done, or has brought nothing better for too long."""
    return progress.epoch >= settings.epochs or progress.epoch - progress.best_epoch >= settings.patience


def step(network: LightCurveLSTM, optimiser: torch.optim.Optimizer, batch: Batch, recipe: Recipe) -> float:
    """One step of gradient descent; the batch's loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.optimiser.precision == "bfloat16"):
        output = network(batch.inputs, batch.statistics, None, readout=batch.readout)
    columns = batch.columns[:, None].expand(batch.readout.shape)
    logits = (output.logits + batch.shift).flatten(0, 1)
    losses = nn.functional.cross_entropy(logits, columns.flatten(), reduction="none")
    loss = (losses * batch.weights.flatten()).mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), recipe.optimiser.clip_norm)
    optimiser.step()
    return loss.item()


def schedule(done: float, warmup: float, epochs: int) -> float:
    """The learning rate's share after so many epochs: a linear rise, then a cosine to 1 %."""
    if done < warmup:
        return (done + 0.02) / (warmup + 0.02)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (done - warmup) / max(epochs - warmup, 1e-9))) / 2


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the average a little towards the network."""
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - keep)


@torch.no_grad()
def read_out(network: LightCurveLSTM, data: Objects, readout: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Logits [N, R, 14] and features [N, R, E] after chosen observations [N, R] of every object."""
    network.eval()
    logits = torch.empty(*readout.shape, len(CLASSES))
    features = torch.empty(*readout.shape, network.features)
    for chosen, batch in plain(data, readout):
        output = network(batch.inputs, batch.statistics, None, readout=batch.readout)
        logits[chosen], features[chosen] = output.logits, output.features
    return logits, features


def cuts(data: Objects) -> NDArray[np.int64]:
    """The observations [N, 4] after which CUTS_DAYS read every object out."""
    return np.array([[cut(curve, days) - 1 for days in CUTS_DAYS] for curve in data.curves])


def validate(network: LightCurveLSTM, data: Objects) -> dict[str, float]:
    """WLL at every cut, their mean, and accuracy on full curves, all after the best temperature for these objects.

    Without it an early epoch would be kept for being unsure, not for being right.
    """
    logits, _ = read_out(network, data, cuts(data))
    temperature = best_temperature(logits, data.labels)
    chances = probabilities(logits, temperature).numpy()
    names = ["full" if days is None else f"d{days:.0f}" for days in CUTS_DAYS]
    score = {name: weighted_log_loss(chances[:, i], data.labels) for i, name in enumerate(names)}
    hits = chances[:, 0].argmax(axis=1) == class_columns(data.labels)
    return score | {
        "mean": float(np.mean(list(score.values()))),
        "temperature": temperature,
        "accuracy": float(hits.mean()),
    }


def over_views(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """The scores of PLAsTiCC's view, with the mean over the views as `mean` and each one's mean beside it."""
    means = {name: score["mean"] for name, score in scores.items()}
    if len(means) == 1:
        return scores["plasticc"]
    return scores["plasticc"] | {"mean": float(np.mean(list(means.values()))), **means}


def best_temperature(logits: Tensor, classes: NDArray[np.integer]) -> float:
    """The temperature for logits [N, R, 14] of objects of known classes [N], every class with its metric weight."""
    columns = class_columns(classes)
    labels = torch.from_numpy(columns)[:, None].expand(logits.shape[:2]).flatten()
    weights = torch.from_numpy(balanced_weights(columns))[:, None].expand(logits.shape[:2]).flatten()
    return fit_temperature(logits.flatten(0, 1), labels, weights)


def set_scaler(network: LightCurveLSTM, data: Objects) -> None:
    """Put mean and scale of every column of the training objects into the network; a constant column gets scale 1."""
    total = {name: np.zeros((3, getattr(network, f"{name}_mean").numel())) for name in ("input", "statistic")}
    for start in range(0, len(data), 256):
        observations, lengths = pad(data.curves[start : start + 256])
        encoded = encode(observations, lengths, data.contexts[start : start + 256])
        valid = np.arange(observations.shape[1]) < lengths[:, None]
        for name, values in (("input", encoded.inputs[valid]), ("statistic", encoded.statistics[valid])):
            wide = values.astype(np.float64)
            total[name] += np.stack([np.full(wide.shape[1], len(wide)), wide.sum(axis=0), (wide**2).sum(axis=0)])
    for name, (count, first, second) in total.items():
        mean = first / count
        scale = np.sqrt(np.maximum(second / count - mean**2, 0))
        getattr(network, f"{name}_mean").copy_(torch.from_numpy(mean))
        getattr(network, f"{name}_scale").copy_(torch.from_numpy(np.where(scale > 1e-3, scale, 1.0)))
