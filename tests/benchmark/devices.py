"""What classifying costs on each device that is here, and how far their answers lie apart; without Kafka and Redis."""

from collections.abc import Iterator

import numpy as np
import torch

from model.artefact import DEFAULT, load
from model.classifier import Classifier
from model.fingerprint import sample
from model.runs import Runs, Verdicts
from tests.benchmark.figure import Figure
from tests.benchmark.sizes import Sizes
from tests.benchmark.way import Took

PART = "devices"
BATCHES = (64, 1_024, 16_384)  # alerts, each the next of an object that is known
CURVES, LENGTHS = 256, (20, 100, 350)  # whole light curves at once, as an archive has them


def devices(sizes: Sizes) -> Iterator[Figure]:
    """The cost of an alert on the CPU (one thread) and on a GPU if there is one, and what tells their answers apart."""
    classifiers = {"cpu": Classifier(load(DEFAULT), device="cpu", priors="natural", threads=1)}
    if torch.cuda.is_available():
        classifiers["cuda"] = Classifier(load(DEFAULT), device="cuda", priors="natural")
    states = classifiers["cpu"].classify(whole(classifiers["cpu"].start_state, max(BATCHES), 30))[1]
    for size in BATCHES:
        runs = next_of(states[:size])
        for name, classifier in classifiers.items():
            yield costs(f"an alert, {size:,} at once, {name}", classifier, runs, sizes)
    for length in LENGTHS:
        runs = whole(classifiers["cpu"].start_state, CURVES, length)
        for name, classifier in classifiers.items():
            yield costs(f"an observation, curves of {length}, {name}", classifier, runs, sizes)
        if len(classifiers) > 1:
            yield from apart(length, *(classifier.classify(runs) for classifier in classifiers.values()))


def costs(name: str, classifier: Classifier, runs: Runs, sizes: Sizes) -> Figure:
    """Microseconds an observation of some runs, after they were classified once."""
    classifier.classify(runs)
    took = [Took() for _ in range(sizes.rounds)]
    for one in took:
        one.timed(PART, len(runs.rows), lambda: classifier.classify(runs))
    return Figure.of(PART, name, "us", [one.wall_us[PART] for one in took])


def apart(length: int, one: tuple[Verdicts, np.ndarray], other: tuple[Verdicts, np.ndarray]) -> Iterator[Figure]:
    """The largest differences of probabilities and scores, and the share of flags that differ."""
    name = f"curves of {length}, cuda from cpu"
    (a, _), (b, _) = one, other
    yield Figure.of(PART, f"{name}: probability", "", [np.abs(a.probabilities - b.probabilities).max()])
    yield Figure.of(PART, f"{name}: anomaly score", "", [np.abs(a.anomaly_scores - b.anomaly_scores).max()])
    yield Figure.of(PART, f"{name}: flags", "", [(a.anomalies != b.anomalies).mean()])


def whole(start: np.ndarray, curves: int, length: int) -> Runs:
    """Light curves of one length, all different, a verdict after each one's end."""
    made = sample(start, length)
    rows = np.tile(made.rows, curves)
    factor = np.random.default_rng(0).uniform(0.1, 30, curves).repeat(length)
    rows["flux_njy"], rows["flux_err_njy"] = rows["flux_njy"] * factor, rows["flux_err_njy"] * np.sqrt(factor)
    ends = length * np.arange(1, curves + 1)
    return Runs(np.tile(start, (curves, 1)), rows, ends, made.contexts.repeat(curves), ends - 1)


def next_of(states: np.ndarray) -> Runs:
    """One more observation of objects that are known."""
    made = sample(states[0], 31)
    places = np.arange(len(states))
    return Runs(states, np.repeat(made.rows[-1:], len(states)), places + 1, made.contexts.repeat(len(states)), places)
