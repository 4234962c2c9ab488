"""Logits to probabilities, once and at the edge: one temperature, and whose priors.

The network is trained to the metric's priors: every class counts as much as its weight in the PLAsTiCC metric, however
rare it is (`balanced`). An observer who asks what an object probably is wants the classes as often as the survey saw
them (`natural`): that is one constant a class, added to the logits. Softmax happens here and nowhere else: the old
system's network had one, and its loss another on top (old bug 1).
"""

import math

import torch
from torch import Tensor

from model.taxonomy import METRIC_WEIGHTS

TEMPERATURES = (0.2, 5.0)  # where the best is looked for
LOG_WEIGHTS = torch.tensor(METRIC_WEIGHTS).log()  # balanced priors as logits


def probabilities(
    logits: Tensor, temperature: float, prior_log_ratio: Tensor | None = None, trust: Tensor | None = None
) -> Tensor:
    """Probabilities [..., 14] of logits [..., 14], float32.

    Args:
        logits: as the network gives them.
        temperature: above 0; above 1 makes them less sure.
        prior_log_ratio: [14], from `natural_prior_log_ratio`; None for balanced priors.
        trust: [...], the share of the logits in the answer, the rest is the priors alone; None for all of them.
    """
    scaled = logits.float() / temperature
    if trust is not None:
        scaled = torch.lerp(LOG_WEIGHTS.to(scaled.device), scaled, trust[..., None])
    return (scaled if prior_log_ratio is None else scaled + prior_log_ratio).softmax(dim=-1)


def natural_prior_log_ratio(class_frequencies: Tensor) -> Tensor:
    """The constants [14] that turn balanced priors into natural ones: ln(frequency / weight in the metric).

    Args:
        class_frequencies: [14], how often each class occurs, each above 0.
    """
    return (class_frequencies / torch.tensor(METRIC_WEIGHTS, device=class_frequencies.device)).log()


def fit_temperature(logits: Tensor, labels: Tensor, weights: Tensor) -> float:
    """The temperature with the least weighted log loss, to 1e-4.

    The loss has one minimum in 1 / temperature (it is convex there), so a ternary search finds it.

    Args:
        logits: [N, 14] of objects that the network was not trained on.
        labels: [N], columns of the taxonomy.
        weights: [N], such as metric weight / class size.
    """
    wide, heavy = logits.double(), weights.double() / weights.double().sum()

    def loss(log_temperature: float) -> float:
        logs = (wide / math.exp(log_temperature)).log_softmax(dim=1)
        return float(-(heavy * logs.gather(1, labels[:, None])[:, 0]).sum())

    low, high = (math.log(t) for t in TEMPERATURES)
    while high - low > 1e-4:
        third = (high - low) / 3
        if loss(low + third) < loss(high - third):
            high -= third
        else:
            low += third
    return math.exp((low + high) / 2)
