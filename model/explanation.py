"""Why: what an answer was made from, as far as the artefact can say it.

Running statistics furthest from the mean of the training set, in its standard deviations; and the classes whose
prototypes lie nearest in the space where anomalies are looked for, at their distances.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.anomaly import PROTOTYPES, AnomalyConstants, cell, score
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.features import STATISTICS, encode
from model.taxonomy import CLASSES

FURTHEST, NEAREST = 6, 4


class Strange(NamedTuple):
    """A running statistic, and how far it is from what the network was trained on."""

    name: str
    value: float
    sigma: float  # standard deviations of the training set from its mean


class Near(NamedTuple):
    """A class, and how far its nearest prototype is."""

    name: str
    distance: float  # standard deviations within a class


class Explanation(NamedTuple):
    """What an answer was made from."""

    points: int
    probabilities: dict[str, float]
    furthest: list[Strange]
    nearest: list[Near]
    score: float
    threshold: float


@torch.inference_mode()
def explain(artefact: Artefact, rows: NDArray[np.void], context: NDArray[np.void], *, natural: bool) -> Explanation:
    """Explain the answer after a light curve [T] of dtype OBSERVATION, T >= 1, with its context [1].

    Args:
        artefact: what answered.
        rows: by time, up to and with the alert's own.
        context: what was known of host and place.
        natural: whether the probabilities assume the classes' own frequencies.
    """
    network, constants = artefact.network, artefact.anomaly
    encoded = encode(rows[None], np.array([len(rows)]), context)
    inputs, statistics = torch.from_numpy(encoded.inputs), torch.from_numpy(encoded.statistics)
    output = network(inputs, statistics, None)
    known, features = statistics[:, -1], output.features[:, 0]
    ratio = natural_prior_log_ratio(artefact.class_frequencies) if natural else None
    chances = probabilities(output.logits[:, 0], artefact.temperature, ratio)[0]
    scores = score(features, constants)
    sigma = ((known - network.statistic_mean) / network.statistic_scale)[0]
    most = sigma.abs().argsort(descending=True, stable=True)[:FURTHEST].tolist()
    return Explanation(
        len(rows),
        {c.name: float(p) for c, p in zip(CLASSES, chances, strict=True)},
        [Strange(STATISTICS[i], float(known[0, i]), float(sigma[i])) for i in most],
        nearest_classes(features, constants),
        float(scores[0]),
        float(constants.thresholds.flatten()[cell(known)][0]),
    )


def nearest_classes(features: Tensor, constants: AnomalyConstants) -> list[Near]:
    """The classes nearest to features [1, E]; none where the artefact was not trained on all classes alike.

    Prototypes stand class after class, as many of each, so their places say whose they are.
    """
    if len(constants.prototypes) != PROTOTYPES * len(CLASSES):
        return []
    distances = torch.cdist(features @ constants.projection, constants.prototypes)[0]
    least = distances.reshape(len(CLASSES), PROTOTYPES).min(dim=1).values
    return [Near(CLASSES[i].name, float(least[i])) for i in least.argsort(stable=True)[:NEAREST].tolist()]
