"""How good an artefact is, on objects it never saw: one dictionary, as `misweeper-train evaluate --json` prints it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model import anomaly
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.features import CONTEXT
from model.scores import accuracy, class_columns, weighted_log_loss
from model.taxonomy import CLASS_IDS
from training import metrics
from training.batches import cut
from training.dataset import Objects
from training.train import read_out

CUTS: dict[str, dict[str, float | int]] = {
    "full": {}, "d0": {"days": 0.0}, "d10": {"days": 10.0}, "d30": {"days": 30.0}, "d60": {"days": 60.0},
    "n10": {"observations": 10}, "n20": {"observations": 20}, "n40": {"observations": 40}, "n80": {"observations": 80},
}  # fmt: skip
SHIFTED = (42, 62, 90)  # the classes of the unblinded objects of the test set
NOTHING_KNOWN = np.array((np.nan, np.nan, np.nan, -1), dtype=CONTEXT)
Probabilities = NDArray[np.float32]  # [N, cuts, 14]


def evaluate(artefact: Artefact, objects: Objects, split: str) -> dict[str, Any]:
    """Every figure of the objects [N].

    WLL, macro recall and F1 are with balanced priors, as the metric has it; `accuracy` too, `accuracy_natural` with the
    class frequencies of the training part. `ece` is of natural priors over the objects as they occur, `ece_balanced` of
    balanced priors over the objects weighted alike. `errors` are standard deviations over bootstrap resamples.
    """
    balanced, natural, scores = predict(artefact, objects)
    columns = class_columns(objects.labels)

    def score(rows: NDArray[np.intp]) -> dict[str, float]:
        p, q, c = balanced[rows, 0], natural[rows, 0], columns[rows]
        losses = {
            f"wll_{name}": weighted_log_loss(balanced[rows, i], objects.labels[rows]) for i, name in enumerate(CUTS)
        }
        return losses | {
            "accuracy": accuracy(p, objects.labels[rows]),
            "accuracy_natural": accuracy(q, objects.labels[rows]),
            "macro_recall": metrics.macro_recall(p, c),
            "macro_f1": metrics.macro_f1(p, c),
            "ece": metrics.calibration_error(q, c),
            "ece_balanced": metrics.calibration_error(p, c, metrics.balanced_weights(c)),
        }

    everything = score(np.arange(len(objects)))
    unknown = replace(objects, contexts=np.full(len(objects), NOTHING_KNOWN))
    blind, blind_natural, _ = predict(artefact, unknown)
    deep = objects.contexts["ddf"] == 1
    return {
        "split": split,
        "objects": len(objects),
        **grouped(everything),
        "errors": grouped(metrics.bootstrap(score, columns)),
        "per_class": per_class(balanced[:, 0], columns),
        "ddf": part(balanced, natural, objects, deep),
        "wfd": part(balanced, natural, objects, ~deep),
        "missing_context": part(blind, blind_natural, objects, np.ones(len(objects), dtype=bool)),
        "anomaly_flagged": float((scores > artefact.anomaly.threshold).mean()),
    }


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
    """Probabilities with balanced and with natural priors [N, cuts, 14], anomaly scores of the full curves [N]."""
    places = np.array([[max(cut(curve, **how) - 1, 0) for how in CUTS.values()] for curve in objects.curves])  # type: ignore[arg-type]
    logits, embeddings = read_out(artefact.network, objects, places)
    ratio = natural_prior_log_ratio(artefact.class_frequencies)
    balanced = probabilities(logits, artefact.temperature).numpy()
    natural = probabilities(logits, artefact.temperature, ratio).numpy()
    return balanced, natural, anomaly.score(embeddings[:, 0], artefact.anomaly).numpy()


def part(balanced: Probabilities, natural: Probabilities, objects: Objects, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The main figures of some of the objects."""
    if not mask.any():
        return {"objects": 0}
    labels = objects.labels[mask]
    return {
        "objects": int(mask.sum()),
        "wll": {name: weighted_log_loss(balanced[mask, i], labels) for i, name in enumerate(CUTS)},
        "accuracy": accuracy(balanced[mask, 0], labels),
        "accuracy_natural": accuracy(natural[mask, 0], labels),
    }


def per_class(full: NDArray[np.float32], columns: NDArray[np.intp]) -> dict[str, dict[str, float]]:
    """By PLAsTiCC class: objects, recall, precision as they occur, and the mean log loss."""
    result = {}
    chosen = full.argmax(axis=1)
    for c in np.unique(columns):
        own = columns == c
        result[str(CLASS_IDS[c])] = {
            "objects": int(own.sum()),
            "recall": float((chosen[own] == c).mean()),
            "precision": float(own[chosen == c].mean()) if (chosen == c).any() else 0.0,
            "log_loss": float(-np.log(np.clip(full[own, c], 1e-15, 1)).mean()),
        }
    return result


def grouped(scores: dict[str, float]) -> dict[str, Any]:
    """{"wll_full": x, "ece": y} as {"wll": {"full": x}, "ece": y}."""
    losses = {name.removeprefix("wll_"): value for name, value in scores.items() if name.startswith("wll_")}
    return {"wll": losses} | {name: value for name, value in scores.items() if not name.startswith("wll_")}


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON, its numbers to 5 places."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def set_threads(threads: int) -> None:
    """How many threads torch uses; results are the same for the same number."""
    torch.set_num_threads(threads)
