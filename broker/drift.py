"""Input drift: what the classifier is asked, beside what it was trained on; a sample each second, so it costs nothing.

Of each survey the latest observations count: where there are MOST, all counts are halved, so that what is long ago
weighs little.
"""

from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from broker.interfaces import Model
from broker.lightcurves.plan import Plan
from broker.metrics import Metrics
from model.drift import InputShares, in_bins, stability_index
from model.features import INPUTS
from model.runs import Runs

EVERY_S = 1.0  # between two samples
MOST_RUNS, MOST_ROWS = 256, 1024  # of a sample
LEAST, MOST = 1_000, 20_000  # observations: before nothing is told, from then on counts are halved
SEEN_AS = {"lsst": "rubin"}  # surveys that training shows under another name


class Drift:
    """Watches plans.

    Args:
        metrics: told.
        clock: monotonic seconds.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = monotonic) -> None:
        self._metrics, self._clock = metrics, clock
        self._due_s = 0.0
        self._model: Model | None = None  # that was looked at last
        self._found: dict[str, list[NDArray[np.float64]]] = {}  # by survey, counts in the bins of each input

    def look(self, model: Model, plan: Plan) -> None:
        """Take a sample of a plan's runs, if it is time."""
        if self._clock() < self._due_s or not plan.keys:
            return
        self._due_s = self._clock() + EVERY_S
        if model is not self._model:  # another artefact, another training
            self._model, self._found = model, {}
            self._metrics.input_drift.clear()
        if not len(chosen := some_of(plan)):
            return
        surveys = np.array([plan.keys[i].partition(b"/")[0].decode() for i in chosen.tolist()])
        runs, sizes = runs_of(plan.runs, plan.last_run[chosen])
        inputs = model.classifier.inputs_of(runs)
        of_row = np.repeat(surveys, sizes)
        for survey in dict.fromkeys(surveys.tolist()):
            known, seen_as = model.known(survey), SEEN_AS.get(survey, survey)
            if known and seen_as in known.shares:
                self._count(known, survey, seen_as, inputs[of_row == survey])

    def _count(self, known: InputShares, survey: str, seen_as: str, inputs: NDArray[np.float32]) -> None:
        found = self._found.setdefault(survey, [np.zeros(len(edges) + 1) for edges in known.edges])
        for i, edges in enumerate(known.edges):
            found[i] += in_bins(edges, inputs[:, i])
            total = found[i].sum()
            if total >= LEAST:
                index = stability_index(known.shares[seen_as][i], found[i])
                self._metrics.input_drift.labels(survey, INPUTS[i]).set(index)
            if total >= MOST:
                found[i] /= 2


def some_of(plan: Plan) -> NDArray[np.int64]:
    """Some of the objects whose states are saved, from all over the plan, of not too many observations together."""
    step = max(1, len(plan.keys) // MOST_RUNS)
    chosen = np.arange(0, len(plan.keys), step)
    ends = plan.runs.ends
    lengths = np.diff(ends, prepend=0)[plan.last_run[chosen]]
    few = lengths <= MOST_ROWS // 4
    return chosen[few][np.cumsum(lengths[few]) <= MOST_ROWS]


def runs_of(runs: Runs, which: NDArray[np.int64]) -> tuple[Runs, NDArray[np.int64]]:
    """Some of the runs [k], with no readouts, and how many observations each has [k]."""
    ends = runs.ends[which]
    sizes = np.diff(runs.ends, prepend=0)[which]
    rows = np.arange(int(sizes.sum())) + np.repeat(ends - np.cumsum(sizes), sizes)
    none = np.empty(0, np.int64)
    return Runs(runs.states[which], runs.rows[rows], np.cumsum(sizes), runs.contexts[which], none), sizes
