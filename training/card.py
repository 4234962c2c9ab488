"""The model card: what an artefact's record and the files beside it say, for people."""

from pathlib import Path

import torch

from model.artefact import CARD, Artefact, load
from training import sky_tables, tables
from training.comparison import results
from training.evaluate import rounded
from training.files import replacing

TEMPLATE = """\
# {name}

Classifies light curves in six bands into the 14 classes of PLAsTiCC, after every observation: a causal LSTM of
{layers} x {hidden} units beside running statistics, {parameters:,} parameters. `misweeper-train card` wrote this file
from `artefact.json`, which holds the same figures and the recipe, and from the JSON files beside it.

{skies}## Figures on PLAsTiCC's objects it never saw

{objects} objects: {split_name}.
± is one standard deviation over bootstrap resamples. Weighted log loss (WLL) as in PLAsTiCC, over the 14 known
classes; a uniform guess has 2.639. Scores below the losses are of full curves.

{groups}

{classes}
{shift}{folds}{unseen}
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
  {flags}, and {flagged:.1%} of the test objects' full curves.
- Versions: {versions}.
- What else was tried stands in `training/NOTES.md`.

## Limits

- Trained on simulated objects of 2018, brighter and nearer than a survey's, and on
  {recipe[redshift][versions]} versions of each at other redshifts: see the domain shift above.
- Balanced priors give every class its weight in the metric. Natural priors are the training set's, not the sky's.
{doubt}"""

SKIES = """\
## Figures on real skies, and on simulations other than PLAsTiCC

Objects of the labelled light curves that `misweeper-train evaluate --sky` was given, none of which was trained on, each
after its last observation, with the redshift and the dust that a cross-match would tell, and with nothing but the light
curve; priors are natural. Flags are of all their alerts; the worst age is the share of alerts flagged at that age, in
days since the first detection, where it is largest.

{table}

"""

SHIFT = """
Domain shift: {objects} unblinded supernovae of PLAsTiCC's test set (classes 42, 62, 90), full curves. Accuracy among
the 14 classes {accuracy:.3f} (balanced), {accuracy_natural:.3f} (natural); among the three {accuracy_three:.3f};
mean ln p {mean_ln_p:.3f} (both natural).
"""

FOLDS = """
## Beside others

Errors of one fold are bootstrap, of several folds the standard deviation over them.

{table}
{runs}"""

UNSEEN = """
## Classes it never saw

Networks of the same recipe, trained without one class ({epochs} epochs at most, one seed) on fold {fold}, asked about
that class's test objects: AUROC against the known classes of the same group, galactic or extragalactic; the share
flagged; WLL over the other 13 classes and class 99.

{table}
"""

DOUBT = "- How well the anomaly score finds classes left out of training has not been measured for this artefact.\n"


def card(artefact: Artefact, folder: Path | None = None) -> str:
    """The text of MODEL_CARD.md; every figure in it is from the artefact's record and from the files in `folder`."""
    record = artefact.record
    metrics, recipe = record["metrics"], record["recipe"]
    left_out = results.read(folder, results.LEFT_OUT) if folder else {}
    return TEMPLATE.format(
        name=artefact.name,
        layers=recipe["network"]["layers"],
        hidden=recipe["network"]["hidden"],
        parameters=record["parameters"],
        objects=metrics["objects"],
        split_name=metrics["split"],
        skies=SKIES.format(table=tables.markdown(sky_tables.over_all({"rows": record["skies"]})))
        if "skies" in record
        else "",
        groups=tables.markdown(tables.by_group(metrics)),
        classes=tables.markdown(tables.by_class(metrics)),
        shift=SHIFT.format(**record["domain_shift"]) if "domain_shift" in record else "",
        folds=folds(folder) if folder else "",
        unseen=UNSEEN.format(
            table=tables.markdown(tables.left_out(left_out)), **next(iter(left_out.values()))
        ) if left_out else "",
        data=record["data"],
        split=record["split"],
        recipe=recipe,
        training=record["training"],
        minutes=record["training"]["seconds"] / 60,
        temperature=artefact.temperature,
        flags=flags(artefact),
        flagged=metrics["anomaly_flagged"],
        versions=", ".join(f"{k} {v}" for k, v in record["versions"].items()),
        doubt="" if left_out else DOUBT,
    )  # fmt: skip


def flags(artefact: Artefact) -> str:
    """What exceeds the thresholds, of what, and how often."""
    least, most = (float(f(artefact.anomaly.thresholds)) for f in (torch.min, torch.max))
    rate = artefact.anomaly.false_alarm_rate
    if least == most:
        return f"Flagged above {least:.2f}, which {rate:.1%} of validation read-outs exceed"
    return (
        f"Flagged above {least:.2f} to {most:.2f}, by how many detections there are, since when, and whether the\n"
        f"  redshift is known, which {rate:.2%} of the validation objects' alerts exceed at any age"
    )


def folds(folder: Path) -> str:
    """The comparison, and every fold's seed and wall time."""
    kept = results.read(folder, results.FOLDS)
    runs = [("fold", "WLL, full curve", "seed", "minutes")]
    for number, fold in sorted(kept.items()):
        loss = f"{fold['metrics']['wll']['full']:.3f}"
        runs.append((number, loss, str(fold["seed"]), f"{fold['seconds'] / 60:.0f}"))
    table = f"\n{tables.markdown(runs)}\n" if kept else ""
    return FOLDS.format(table=tables.markdown(tables.comparison(folder)), runs=table)


def standing(folder: Path) -> str:
    """What the README shows: the figures on labelled skies, if any are kept, and those beside others.

    Raises ArtefactError or DataError.
    """
    record = load(folder).record
    skies = [sky_tables.over_all({"rows": record["skies"]})] if "skies" in record else []
    return "\n\n".join(tables.markdown(rows) for rows in (*skies, tables.comparison(folder)))


def write(folder: Path) -> None:
    """Write the card and figures.json of the artefact in this directory. Raises ArtefactError or DataError."""
    artefact = load(folder)
    text = card(artefact, folder)
    with replacing(folder / CARD) as partial:
        partial.write_text(text, encoding="utf-8")
    results.write(folder, results.FIGURES, rounded(results.summary(folder, artefact.record["metrics"])))
