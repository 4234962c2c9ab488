"""From a trained network to an artefact: temperature and flag from validation, class statistics from training.

Nothing here looks at a test part.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model import anomaly
from model.anomaly import AnomalyConstants
from model.artefact import Artefact
from model.features import encode, pad
from model.network import LightCurveLSTM
from model.scores import class_columns
from model.seen import Seen, see
from model.taxonomy import CLASSES
from training.dataset import Objects
from training.flags import with_thresholds
from training.recipe import Recipe, Views
from training.redshift import elsewhere
from training.train import best_temperature, cuts, read_out
from training.views import validation_views, viewed

SEED = 0  # of the views
MOVED = 3  # every third training object is moved
PLACES = 8  # read-outs a curve for the anomaly constants: an alert may come at any time of an object's life
AT_ONCE = 256  # objects


def calibrate(
    network: LightCurveLSTM, name: str, training: Objects, validation: Objects, recipe: Recipe | None = None
) -> Artefact:
    """An artefact without digest and record.

    The temperature is the one with the least weighted log loss over the validation objects, read out at the full curve
    and 10, 30 and 60 days after the first detection, in the views that the recipe draws. The anomaly score's prototypes
    are of the training objects, each in one of these views, the flag's thresholds of the validation objects' alerts in
    each; both of objects moved nearer and farther too, where the recipe moves them. Without a recipe PLAsTiCC's view is
    the only one.
    """
    names = validation_views(recipe.views if recipe else Views())
    shown = [viewed(validation, view, SEED) for view in names]
    logits = torch.cat([read_out(network, objects, cuts(objects))[0] for objects in shown])
    labels = np.concatenate([objects.labels for objects in shown])
    if recipe and recipe.redshift.share:
        moved = elsewhere(validation, recipe.redshift, SEED)
        shown += [viewed(moved, view, SEED) for view in unmoving(names)]
    parts = learned_from(training, recipe)
    counts = np.bincount(class_columns(training.labels), minlength=len(CLASSES)) + 0.5  # no class is impossible
    artefact = Artefact(
        name=name,
        digest="",
        network=network,
        temperature=best_temperature(logits, labels),
        class_frequencies=torch.from_numpy(counts / counts.sum()).float(),
        anomaly=fit_anomaly(network, parts),
        record={},
        seen=what_was_seen(parts),
    )
    return with_thresholds(artefact, shown)


def learned_from(training: Objects, recipe: Recipe | None) -> list[Objects]:
    """Training objects as the recipe shows them: each in one view; some of them moved, too, where the recipe does."""
    names = validation_views(recipe.views if recipe else Views())
    parts = dealt(training, names)
    if recipe and recipe.redshift.share:
        moved = elsewhere(training.take(np.arange(0, len(training), MOVED)), recipe.redshift, SEED)
        parts += dealt(moved, unmoving(names))
    return parts


def dealt(objects: Objects, views: Sequence[str]) -> list[Objects]:
    """Objects in as many parts as there are views, each part in one of them."""
    places = [np.arange(i, len(objects), len(views)) for i in range(len(views))]
    return [viewed(objects.take(own), view, SEED) for own, view in zip(places, views, strict=True)]


def unmoving(views: Sequence[str]) -> list[str]:
    """Those views that leave objects where they are; ZTF's move theirs themselves."""
    return [view for view in views if not view.startswith("ztf")]


def fit_anomaly(network: LightCurveLSTM, views: Sequence[Objects]) -> AnomalyConstants:
    """Projection and prototypes from training objects as each view shows them; nothing is flagged yet."""
    features, labels = [], []
    for objects in views:
        places = spread(objects)
        features.append(read_out(network, objects, places)[1].flatten(0, 1))
        labels.append(torch.from_numpy(class_columns(objects.labels)).repeat_interleave(places.shape[1]))
    found = anomaly.fit(torch.cat(features), torch.cat(labels))
    return AnomalyConstants(*found, anomaly.everywhere(0.0), false_alarm_rate=0.0)


def what_was_seen(views: Sequence[Objects]) -> Seen:
    """The usual statistics of each class, of training objects as each view shows them; no network is needed."""
    statistics, labels = [], []
    for objects in views:
        places = spread(objects)
        for start in range(0, len(objects), AT_ONCE):
            own = slice(start, start + AT_ONCE)
            encoded = encode(*pad(objects.curves[own]), objects.contexts[own])
            statistics.append(np.take_along_axis(encoded.statistics, places[own, :, None], axis=1))
        labels.append(class_columns(objects.labels).repeat(PLACES))
    rows = np.concatenate(statistics)
    return see(torch.from_numpy(rows.reshape(-1, rows.shape[-1])), torch.from_numpy(np.concatenate(labels)))


def spread(objects: Objects) -> NDArray[np.int64]:
    """PLACES observations [N, PLACES] of each object, evenly from its first detection to its end."""
    places = []
    for curve in objects.curves:
        detections = np.flatnonzero(curve["detected"])
        first = detections[0] if len(detections) else 0
        places.append(np.linspace(first, len(curve) - 1, PLACES).round())
    return np.array(places, dtype=np.int64)
