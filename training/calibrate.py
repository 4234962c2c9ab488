"""From a trained network to an artefact: temperature and flag from validation, class statistics from training.

Nothing here looks at a test part.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from model import anomaly
from model.anomaly import AnomalyConstants
from model.artefact import Artefact
from model.network import LightCurveLSTM
from model.scores import class_columns
from model.taxonomy import CLASSES
from training.dataset import Objects
from training.train import best_temperature, cuts, read_out

FALSE_ALARM_RATE = 0.01
PLACES = 8  # read-outs a curve for the anomaly constants: an alert may come at any time of an object's life


def calibrate(network: LightCurveLSTM, name: str, training: Objects, validation: Objects) -> Artefact:
    """An artefact without digest and record.

    The temperature is the one with the least weighted log loss over the validation objects, read out at the full curve
    and 10, 30 and 60 days after the first detection. The anomaly score's prototypes are of the training objects; the
    flag's threshold is what 1 % of read-outs of validation objects exceed.
    """
    logits, _ = read_out(network, validation, cuts(validation))
    counts = np.bincount(class_columns(training.labels), minlength=len(CLASSES)) + 0.5  # no class is impossible
    return Artefact(
        name=name,
        digest="",
        network=network,
        temperature=best_temperature(logits, validation.labels),
        class_frequencies=torch.from_numpy(counts / counts.sum()).float(),
        anomaly=fit_anomaly(network, training, validation),
        record={},
    )


def fit_anomaly(network: LightCurveLSTM, training: Objects, validation: Objects) -> AnomalyConstants:
    """Projection and prototypes from the training objects, the threshold from validation."""
    places = spread(training)
    _, features = read_out(network, training, places)
    labels = torch.from_numpy(class_columns(training.labels))[:, None].expand(places.shape)
    constants = AnomalyConstants(
        *anomaly.fit(features.flatten(0, 1), labels.flatten()), threshold=0.0, false_alarm_rate=FALSE_ALARM_RATE
    )
    _, known = read_out(network, validation, spread(validation))
    threshold = anomaly.threshold_at(anomaly.score(known.flatten(0, 1), constants), FALSE_ALARM_RATE)
    return replace(constants, threshold=threshold)


def spread(objects: Objects) -> NDArray[np.int64]:
    """PLACES observations [N, PLACES] of each object, evenly from its first detection to its end."""
    places = []
    for curve in objects.curves:
        detections = np.flatnonzero(curve["detected"])
        first = detections[0] if len(detections) else 0
        places.append(np.linspace(first, len(curve) - 1, PLACES).round())
    return np.array(places, dtype=np.int64)
