"""How good an artefact is, on objects it never saw: one dictionary, as `misweeper-train evaluate --json` prints it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import anomaly
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.classifier import Classifier
from model.scores import accuracy, class_columns
from model.taxonomy import CLASS_IDS
from training import metrics
from training.answers import answers, flagged_objects
from training.batches import cut
from training.dataset import NOTHING_KNOWN, Objects
from training.train import read_out

CUTS: dict[str, dict[str, float | int]] = {
    "full": {}, "d0": {"days": 0.0}, "d10": {"days": 10.0}, "d30": {"days": 30.0}, "d60": {"days": 60.0},
    "n10": {"observations": 10}, "n20": {"observations": 20}, "n40": {"observations": 40}, "n80": {"observations": 80},
}  # fmt: skip
SHIFTED = (42, 62, 90)  # the classes of the unblinded objects of the test set
Probabilities = NDArray[np.float32]  # [N, cuts, 14]


def evaluate(artefact: Artefact, objects: Objects, split: str) -> dict[str, Any]:
    """Every figure of an artefact on objects [N]: `figures`, the same with no context known, and the flag's rate."""
    balanced, natural, _ = predict(artefact, objects)
    flags = answers(Classifier(artefact, device="cpu"), objects)
    unknown = replace(objects, contexts=np.full(len(objects), NOTHING_KNOWN))
    blind, blind_natural, _ = predict(artefact, unknown)
    return figures(balanced, natural, objects, split) | {
        "missing_context": group(blind, blind_natural, objects.labels),
        "anomaly_flagged": float(flags.flagged[flags.last].mean()),
        "alerts_flagged": float(flags.flagged[flags.alert].mean()),
        "objects_flagged": float(flagged_objects(flags, len(objects)).mean()),
    }


def figures(balanced: Probabilities, natural: Probabilities, objects: Objects, split: str) -> dict[str, Any]:
    """Figures of anybody's probabilities [N, cuts, 14] after the observations of CUTS.

    WLL, `accuracy`, macro recall and F1 are with balanced priors, as the metric has it; `accuracy_natural` and `ece`
    with the class frequencies of the training part; `training.metrics.scores` says how each is computed. They are of
    full curves; `by_time` has them at every cut. `errors` are standard deviations over bootstrap resamples.
    """
    deep = objects.contexts["ddf"] == 1
    parts = {"ddf": deep, "wfd": ~deep}
    return {
        "split": split,
        **group(balanced, natural, objects.labels),
        "per_class": per_class(balanced[:, 0], class_columns(objects.labels)),
        **{name: group(balanced[mask], natural[mask], objects.labels[mask]) for name, mask in parts.items()},
    }


def group(balanced: Probabilities, natural: Probabilities, labels: NDArray[np.int64]) -> dict[str, Any]:
    """The figures of some objects [N], with their errors."""
    if len(labels) == 0:
        return {"objects": 0}
    columns = class_columns(labels)
    draws = metrics.resampled(columns)
    found, errors = {}, {}
    for i, name in enumerate(CUTS):
        pair = balanced[:, i], natural[:, i], columns
        found[name] = {key: float(value[0]) for key, value in metrics.scores(*pair, metrics.once(columns)).items()}
        errors[name] = {key: float(value.std()) for key, value in metrics.scores(*pair, draws).items()}
    return {"objects": len(labels), **by_score(found), "errors": by_score(errors)}


def by_score(cuts: dict[str, dict[str, float]]) -> dict[str, Any]:
    """{"full": {"wll": x, "ece": y}} as {"wll": {"full": x}, "ece": y, "by_time": {"ece": {"full": y}}}."""
    names = [name for name in cuts["full"] if name != "wll"]
    times = {name: {cut_name: values[name] for cut_name, values in cuts.items()} for name in names}
    losses = {cut_name: values["wll"] for cut_name, values in cuts.items()}
    return {"wll": losses, **{name: cuts["full"][name] for name in names}, "by_time": times}


def shift(artefact: Artefact, objects: Objects) -> dict[str, float]:
    """The 5,000 unblinded supernovae of the test set: fainter and farther than any training object (domain shift)."""
    balanced, natural, _ = predict(artefact, objects)
    columns = class_columns(objects.labels)
    three = [CLASS_IDS.index(c) for c in SHIFTED]
    found = np.array(three)[natural[:, 0][:, three].argmax(axis=1)]
    true = natural[np.arange(len(columns)), 0, columns]
    return {
        "objects": len(objects),
        "accuracy": accuracy(balanced[:, 0], objects.labels),
        "accuracy_natural": accuracy(natural[:, 0], objects.labels),
        "accuracy_three": float((found == columns).mean()),
        "mean_ln_p": float(np.log(np.clip(true, 1e-15, 1)).mean()),
    }


def predict(artefact: Artefact, objects: Objects) -> tuple[Probabilities, Probabilities, NDArray[np.float32]]:
    """Probabilities with balanced and with natural priors [N, cuts, 14], and anomaly scores [N, cuts]."""
    logits, embeddings = read_out(artefact.network, objects, lengths(objects) - 1)
    ratio = natural_prior_log_ratio(artefact.class_frequencies)
    balanced = probabilities(logits, artefact.temperature).numpy()
    natural = probabilities(logits, artefact.temperature, ratio).numpy()
    scores = anomaly.score(embeddings.flatten(0, 1), artefact.anomaly).reshape(embeddings.shape[:2])
    return balanced, natural, scores.numpy()


def lengths(objects: Objects) -> NDArray[np.int64]:
    """How many observations [N, cuts] each of CUTS leaves of each object, at least 1."""
    return np.array([[max(cut(curve, **how), 1) for how in CUTS.values()] for curve in objects.curves])  # type: ignore[arg-type]


def per_class(full: NDArray[np.float32], columns: NDArray[np.intp]) -> dict[str, dict[str, float]]:
    """By PLAsTiCC class: objects, recall, precision as they occur, F1, the mean log loss, and what errors they have.

    The errors of recall and log loss are those of a mean over so many objects.
    """
    result = {}
    chosen, loss = full.argmax(axis=1), metrics.log_loss(full, columns)
    for c in np.unique(columns):
        own, claimed = columns == c, chosen == c
        hits, size = int((own & claimed).sum()), int(own.sum())
        recall = hits / size
        result[str(CLASS_IDS[c])] = {
            "objects": size,
            "recall": recall,
            "recall_error": float(np.sqrt(recall * (1 - recall) / size)),
            "precision": hits / int(claimed.sum()) if claimed.any() else 0.0,
            "f1": 2 * hits / (size + int(claimed.sum())),
            "log_loss": float(loss[own].mean()),
            "log_loss_error": float(loss[own].std() / np.sqrt(size)),
        }
    return result


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON, its numbers to 5 places."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def set_threads(threads: int) -> None:
    """How many threads torch uses; results are the same for the same number."""
    torch.set_num_threads(threads)
