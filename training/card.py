"""The model card: what an artefact's record says, for people."""

from collections.abc import Mapping
from typing import Any

from model.artefact import Artefact
from model.taxonomy import CLASS_NAMES

CUT_NAMES = {
    "full": "full curve", "d0": "first detection", "d10": "+10 d", "d30": "+30 d", "d60": "+60 d",
    "n10": "10 observations", "n20": "20 observations", "n40": "40 observations", "n80": "80 observations",
}  # fmt: skip
SCORE_NAMES = {
    "accuracy": "accuracy, balanced priors",
    "accuracy_natural": "accuracy, natural priors",
    "macro_recall": "macro recall, balanced priors",
    "macro_f1": "macro F1, balanced priors",
    "ece": "calibration error, natural priors",
    "ece_balanced": "calibration error, balanced priors and weights",
}
GROUPS = {"all": "", "deep fields": "ddf", "wide survey": "wfd", "no photo-z, mwebv, ddf": "missing_context"}

TEMPLATE = """\
# {name}

Classifies light curves in six bands into the 14 classes of PLAsTiCC, after every observation: a causal LSTM of
{layers} x {hidden} units beside running statistics, {parameters:,} parameters. `misweeper-train fit` wrote this file
from `artefact.json`, which holds the same figures and the recipe.

## Figures on objects it never saw

{objects} objects: {split_name}.
± is one standard deviation over bootstrap resamples. Weighted log loss (WLL) as in PLAsTiCC, over the 14 known
classes; a uniform guess has 2.639.

{losses}

{scores}

{classes}
{shift}
## How it was made

- Data: {data[name]}, doi:{data[doi]}, {data[licence]}; sha256 of what was read:
  `{data[sha256]}`.
- Split by object: {split[function]}; seed {split[seed]}, fold {split[fold]}:
  {split[train]} train, {split[validation]} validation, {split[test]} test. `training/splits.py` gives the ids.
- Recipe `{recipe[name]}`, seed {recipe[seed]}: {training[epochs]} epochs in {minutes:.0f} min.
  Threads: {training[threads]}. Epoch {training[best_epoch]} was kept: the least validation WLL,
  mean of the full curve, +10, +30 and +60 d.
- Temperature {temperature:.3f}, fitted on validation; one for all times.
- Anomaly score: distance to the nearest prototype of a class, in what the head is given and in its first layer.
  Flagged above {threshold:.2f}, which {rate:.1%} of validation read-outs exceed, and {flagged:.1%} of the test
  objects' full curves.
- Versions: {versions}.

## Limits

- Trained on simulated objects of 2018, brighter and nearer than a survey's: see the domain shift above.
- Balanced priors give every class its weight in the metric. Natural priors are the training set's, not the sky's.
- How well the anomaly score finds classes left out of training has not been measured for this artefact.
"""

SHIFT = """
Domain shift: {objects} unblinded supernovae of PLAsTiCC's test set (classes 42, 62, 90), full curves. Accuracy among
the 14 classes {accuracy:.3f} (balanced), {accuracy_natural:.3f} (natural); among the three {accuracy_three:.3f};
mean ln p {mean_ln_p:.3f} (both natural).
"""


def card(artefact: Artefact) -> str:
    """The text of MODEL_CARD.md; every figure in it is read from the artefact's record."""
    record = artefact.record
    metrics, recipe = record["metrics"], record["recipe"]
    return TEMPLATE.format(
        name=artefact.name,
        layers=recipe["network"]["layers"],
        hidden=recipe["network"]["hidden"],
        parameters=record["parameters"],
        objects=metrics["objects"],
        split_name=metrics["split"],
        losses="\n".join(losses(metrics)),
        scores="\n".join(scores(metrics)),
        classes="\n".join(classes(metrics)),
        shift=SHIFT.format(**record["domain_shift"]) if "domain_shift" in record else "",
        data=record["data"],
        split=record["split"],
        recipe=recipe,
        training=record["training"],
        minutes=record["training"]["seconds"] / 60,
        temperature=artefact.temperature,
        threshold=artefact.anomaly.threshold,
        rate=artefact.anomaly.false_alarm_rate,
        flagged=metrics["anomaly_flagged"],
        versions=", ".join(f"{k} {v}" for k, v in record["versions"].items()),
    )


def losses(metrics: Mapping[str, Any]) -> list[str]:
    """WLL by time, for all objects and for groups of them."""
    parts = {name: metrics[key] if key else metrics for name, key in GROUPS.items()}
    parts = {name: part for name, part in parts.items() if part["objects"]}
    rows = [
        row("WLL", *(f"{name} ({part['objects']})" for name, part in parts.items())),
        "|---" * (len(parts) + 1) + "|",
    ]
    for key, name in CUT_NAMES.items():
        cells = [f"{part['wll'][key]:.3f}" for part in parts.values()]
        cells[0] += f" ± {metrics['errors']['wll'][key]:.3f}"
        rows.append(row(name, *cells))
    return rows


def scores(metrics: Mapping[str, Any]) -> list[str]:
    """Scores of full curves."""
    rows = [row(name, f"{metrics[key]:.3f} ± {metrics['errors'][key]:.3f}") for key, name in SCORE_NAMES.items()]
    return [row("full curve", "all"), "|---|---|", *rows]


def classes(metrics: Mapping[str, Any]) -> list[str]:
    """Full curves by class."""
    rows = [row("class", "objects", "recall", "precision", "log loss"), "|---|---|---|---|---|"]
    for number, own in metrics["per_class"].items():
        figures = (f"{own[key]:.2f}" for key in ("recall", "precision", "log_loss"))
        rows.append(row(f"{number} {CLASS_NAMES[int(number)]}", str(own["objects"]), *figures))
    return rows


def row(*cells: str) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"
