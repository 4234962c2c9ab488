"""The thresholds of the anomaly flag: a table by what was known when an alert was answered, from known classes.

Every alert of validation objects is scored as the stream would score it, in every view that the network was trained on,
with and without context. In each cell of the table a threshold is one that the promised share of alerts exceeds, in
the view that needs the highest. Flags of one object repeat, so the share of objects that are ever flagged is larger,
and a flag that is raised stays for some alerts; the share is lowered until what is promised of both is kept.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from model.anomaly import DAYS, DETECTIONS, TABLE
from model.artefact import Artefact
from model.classifier import Classifier
from model.flag import RELEASE, remember
from training.answers import Answers, answers
from training.dataset import NOTHING_KNOWN, Objects

ALERTS = 0.005  # share of the alerts of known classes that may be flagged, at any age
EVER = 0.03  # share of the objects of known classes that may be flagged at one of their alerts
STEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)  # of ALERTS, tried until EVER is kept
FEWEST = 200  # alerts in a cell, or the cells beside it in its row count too; then all rows
Scores = NDArray[np.float32]


def with_thresholds(artefact: Artefact, views: Sequence[Objects]) -> Artefact:
    """The artefact with thresholds from validation objects, by view."""
    classifier = Classifier(artefact, device="cpu")
    blind = [replace(objects, contexts=np.full(len(objects), NOTHING_KNOWN)) for objects in views]
    known = [(objects, answers(classifier, objects)) for objects in (*views, *blind)]
    table, rate = np.zeros(TABLE), ALERTS
    for step in STEPS:
        rate = ALERTS * step
        table = thresholds(known, rate)
        table = np.where(table == 0, table.max(), table)
        alerts, ever = np.max([flagged(objects, given, table) for objects, given in known], axis=0)
        if alerts <= ALERTS and ever <= EVER:
            break
    return with_table(artefact, table, rate)


def from_stream(artefact: Artefact, sets: Sequence[Objects], rate: float) -> Artefact:
    """The artefact with thresholds that a share `rate` of the alerts of a survey's own objects exceeds.

    It does not matter what they are. A cell of the table whose context no object has keeps its threshold.
    """
    classifier = Classifier(artefact, device="cpu")
    table = thresholds([(objects, answers(classifier, objects)) for objects in sets], rate)
    return with_table(artefact, np.where(table == 0, artefact.anomaly.thresholds.numpy(), table), rate)


def with_table(artefact: Artefact, table: NDArray[np.float64], rate: float) -> Artefact:
    """The artefact with other thresholds."""
    anomaly = replace(artefact.anomaly, thresholds=torch.from_numpy(table).float(), false_alarm_rate=rate)
    return replace(artefact, anomaly=anomaly)


def thresholds(known: Sequence[tuple[Objects, Answers]], rate: float) -> NDArray[np.float64]:
    """The table that at most a share `rate` of the alerts of each view exceeds; 0 where no alert has such a context."""
    table = np.zeros(TABLE)
    for objects, given in known:
        alert = given.alert
        where, scores = cells(objects, given)[:, alert], given.scores[alert]
        for index in np.ndindex(TABLE):
            chosen = scores[nearest(where, index)]
            if len(chosen):
                table[index] = np.maximum(table[index], np.quantile(chosen, 1 - rate))
    return table


def nearest(where: NDArray[np.int64], index: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which alerts [M] decide on a cell: those in it, if they are few those in its row, then those of its context.

    None where no alert has this context.
    """
    context, row, column = (where[axis] == index[axis] for axis in range(len(TABLE)))
    options: list[NDArray[np.bool_]] = [context & row & column, context & row, context]
    return next((own for own in options if own.sum() >= FEWEST), context)


def cells(objects: Objects, given: Answers) -> NDArray[np.int64]:
    """Context, row and column [3, M] of the table for each answer."""
    known = ~np.isnan(objects.contexts["host_photoz"][given.owner])
    return np.stack([known, np.searchsorted(DETECTIONS, given.detections), np.searchsorted(DAYS, given.days)])


def flagged(objects: Objects, given: Answers, table: NDArray[np.float64]) -> tuple[float, float]:
    """The share of the alerts that is flagged, and that of the objects [N] of which one alert at least is."""
    flags = raised(objects, given, table)
    return float(flags.mean()), len(set(given.owner[given.alert][flags].tolist())) / len(objects)


def raised(objects: Objects, given: Answers, table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The flags [A] of the alerts among the answers, as the service raises, remembers and lowers them."""
    alert = given.alert
    limits, scores = table[tuple(cells(objects, given)[:, alert])].astype(np.float32), given.scores[alert]
    above, near = scores > limits, scores > np.float32(RELEASE) * limits
    ends = np.cumsum(np.bincount(given.owner[alert], minlength=len(objects)))
    return remember(above, near, np.ones(len(limits), np.bool_), ends, np.zeros(len(objects), np.bool_))
