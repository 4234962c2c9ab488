"""The network of the 2018 report, mended (`paper`) and as published: trained to compare with, never served.

It looks at whole curves: a curve that is cut is encoded anew. `paper-as-published` has softmax inside the network and
cross entropy on top of it (old bug 1), and class 99 as the product of 1 - p in float32 (old bug 3), on purpose.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.calibration import natural_prior_log_ratio
from model.observation import Context, LightCurve
from model.scores import accuracy, class_columns, weighted_log_loss
from model.taxonomy import CLASSES, METRIC_WEIGHTS
from training.checkpoint import Progress, resume, save
from training.comparison.balancing import balance
from training.comparison.report_features import REPORT_INPUTS, REPORT_STATISTICS, report_inputs, report_statistics
from training.dataset import Objects
from training.evaluate import Probabilities, lengths
from training.recipe import Part, RecipeError, settings

NAMES = ("paper", "paper-as-published")
SHARED_PADDING = 256  # curves of like length that are padded together


class PaperRecipe(Part):
    """Everything that decides how the report's network is trained."""

    name: str
    seed: int
    epochs: int
    patience: int  # epochs without a better validation WLL after which a run stops early
    batch_size: int
    learning_rate: float
    hidden: int
    layers: int
    dropout: float
    head: tuple[int, ...]
    head_dropout: tuple[float, ...]
    softmax_inside: bool  # old bug 1


class Encoded(NamedTuple):
    """N objects in the report's columns."""

    inputs: tuple[Tensor, ...]  # N tensors [n_i, 8]
    statistics: Tensor  # [N, 31]


class PaperNetwork(nn.Module):
    """The report's network: LSTM, batch norm, the 31 statistics beside it, four layers, 14 logits."""

    mean: Tensor
    scale: Tensor

    def __init__(self, recipe: PaperRecipe) -> None:
        super().__init__()
        self.softmax_inside = recipe.softmax_inside
        self.register_buffer("mean", torch.zeros(len(REPORT_STATISTICS)))
        self.register_buffer("scale", torch.ones(len(REPORT_STATISTICS)))
        self.lstm = nn.LSTM(len(REPORT_INPUTS), recipe.hidden, recipe.layers, batch_first=True, dropout=recipe.dropout)
        self.norm = nn.BatchNorm1d(recipe.hidden)
        width, layers = recipe.hidden + len(REPORT_STATISTICS), []
        for size, dropout in zip(recipe.head, recipe.head_dropout, strict=True):
            layers += [nn.Linear(width, size), nn.ReLU(), nn.BatchNorm1d(size), nn.Dropout(dropout)]
            width = size
        self.head = nn.Sequential(*layers, nn.Linear(width, len(CLASSES)))

    def forward(self, inputs: Tensor, lengths: Tensor, statistics: Tensor) -> Tensor:
        """Inputs [B, T, 8], lengths [B] and statistics [B, 31] to logits [B, 14]; probabilities if softmax_inside.

        The LSTM's output at each curve's last observation is what the report's packed sequences give: it looks back
        alone and cannot see the padding behind. Padded curves train some fifty times faster on a CPU.
        """
        order = lengths.argsort()
        parts = [self._last(inputs[rows], lengths[rows]) for rows in torch.split(order, SHARED_PADDING)]
        out = torch.cat(parts)[order.argsort()]  # [B, hidden]
        known = torch.nan_to_num((statistics - self.mean) / self.scale)  # unknown is the training part's mean
        logits: Tensor = self.head(torch.cat([self.norm(out), known], dim=1))
        return logits.softmax(dim=1) if self.softmax_inside else logits

    def _last(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The LSTM's output [b, hidden] at each curve's last observation."""
        out, _ = self.lstm(inputs[:, : int(lengths.max())])
        last: Tensor = out[torch.arange(len(lengths)), lengths - 1]
        return last

    def probabilities(self, output: Tensor) -> Tensor:
        """What `forward` gave [B, 14] as probabilities [B, 14]."""
        return output if self.softmax_inside else output.softmax(dim=1)


def load(name: str) -> PaperRecipe:
    """One of NAMES. Raises RecipeError."""
    described = settings(name)
    try:
        return PaperRecipe(name=name, **described)
    except ValueError as error:
        raise RecipeError(f"recipe {name}: {error}") from error


def train(
    recipe: PaperRecipe,
    training: Objects,
    validation: Objects,
    folder: Path,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> tuple[PaperNetwork, Progress]:
    """Train, or go on with what `folder` holds; the network of the epoch with the least validation WLL.

    Args, files and errors are those of `training.train.train`. The training part is balanced here, after the split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = PaperNetwork(recipe)
    encoded, known = encode(training), encode(validation)
    set_scaler(network, encoded.statistics)
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    progress = resume(folder, {"network": network}, optimiser)
    described = recipe.model_dump(mode="json")
    if progress.recipe not in ({}, described):
        raise RecipeError(f"{folder} holds a run of another recipe; delete it, or choose another folder by --runs")
    progress.recipe = described
    labels = torch.from_numpy(class_columns(training.labels))
    balanced = balance(training.labels, np.random.default_rng(recipe.seed))
    for number in range(progress.epoch, recipe.epochs):
        if number - progress.best_epoch >= recipe.patience:
            break
        began = time.monotonic()
        torch.manual_seed(recipe.seed * 100_003 + number)  # dropout
        network.train()
        rows = np.random.default_rng([recipe.seed, number]).permutation(balanced)
        batches = np.array_split(rows, max(round(len(rows) / recipe.batch_size), 1))
        losses = [step(network, optimiser, encoded, labels, batch) for batch in batches]
        found = classify(network, known).numpy()
        score = {
            "full": weighted_log_loss(found, validation.labels), "accuracy": accuracy(found, validation.labels),
        }  # fmt: skip
        progress.epoch = number + 1
        progress.seconds += time.monotonic() - began
        row = {"epoch": number + 1, "loss": float(np.mean(losses)), **score, "seconds": round(progress.seconds, 1)}
        progress.history.append(row)
        if score["full"] < progress.best_score:
            progress.best_score, progress.best_epoch = score["full"], number + 1
            save_file(network.state_dict(), folder / "best.safetensors")
        save(folder, {"network": network}, optimiser, progress)
        on_epoch(row)
    network.load_state_dict(load_file(folder / "best.safetensors"))
    return network.eval(), progress


def step(
    network: PaperNetwork, optimiser: torch.optim.Optimizer, encoded: Encoded, labels: Tensor, rows: NDArray[np.int64]
) -> float:
    """One step on these rows; the loss: cross entropy, each class with its weight in the metric."""
    output = network(*batch_of(encoded, rows))
    loss = nn.functional.cross_entropy(output, labels[rows], torch.tensor(METRIC_WEIGHTS))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


@torch.no_grad()
def classify(network: PaperNetwork, encoded: Encoded) -> Tensor:
    """Probabilities [N, 14] with balanced priors."""
    network.eval()
    order = np.argsort([len(x) for x in encoded.inputs], kind="stable")
    result = torch.empty(len(order), len(CLASSES))
    for rows in np.array_split(order, len(order) // 256 + 1):
        if len(rows):
            result[rows] = network.probabilities(network(*batch_of(encoded, rows)))
    return result


def batch_of(encoded: Encoded, rows: NDArray[np.integer]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded inputs [B, T, 8], lengths [B], statistics [B, 31] of these rows."""
    inputs = [encoded.inputs[i] for i in rows]
    lengths = torch.tensor([len(x) for x in inputs])
    return nn.utils.rnn.pad_sequence(inputs, batch_first=True), lengths, encoded.statistics[rows]


def encode(objects: Objects, lengths: NDArray[np.integer] | None = None) -> Encoded:
    """Every object in the report's columns, cut after its first `lengths` [N] observations, each at least 1."""
    ends = [len(c) for c in objects.curves] if lengths is None else lengths
    curves = [LightCurve(curve[:n]) for curve, n in zip(objects.curves, ends, strict=True)]
    known = [Context(float(z), float(error), float(mwebv)) for z, error, mwebv, _ in objects.contexts.tolist()]
    statistics = [report_statistics(curve, context) for curve, context in zip(curves, known, strict=True)]
    return Encoded(
        tuple(torch.from_numpy(report_inputs(curve)) for curve in curves),
        torch.from_numpy(np.array(statistics, dtype=np.float32)),
    )


def set_scaler(network: PaperNetwork, statistics: Tensor) -> None:
    """Mean and scale of the training part's statistics [N, 31], kept with the weights (old bug 4)."""
    wide = statistics.double().numpy()
    scale = np.nanstd(wide, axis=0)
    network.mean.copy_(torch.from_numpy(np.nanmean(wide, axis=0)))
    network.scale.copy_(torch.from_numpy(np.where(scale > 0, scale, 1.0)))


def predict(
    network: PaperNetwork, labels: NDArray[np.integer], objects: Objects
) -> tuple[Probabilities, Probabilities]:
    """Probabilities with balanced and with natural priors [N, cuts, 14] after the observations of CUTS.

    Args:
        network: trained.
        labels: of the training part, whose class frequencies are the natural priors.
        objects: to classify.
    """
    found = [classify(network, encode(objects, ends)) for ends in lengths(objects).T]
    balanced = torch.stack(found, dim=1)
    counts = np.bincount(class_columns(labels), minlength=len(CLASSES)) + 0.5
    ratio = natural_prior_log_ratio(torch.from_numpy(counts / counts.sum()).float())
    natural = (balanced.double().clamp_min(1e-45).log() + ratio).softmax(dim=2)
    return balanced.numpy(), natural.float().numpy()


def published_p99(probabilities: Tensor) -> Tensor:
    """Class 99 [B] as the old system had it: prod(1 - p) in float32, 0 as soon as one p is 1 (old bug 3)."""
    return (1 - probabilities.float()).prod(dim=1)
