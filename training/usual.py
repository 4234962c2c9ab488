"""The command that gives reasons to an artefact from before these were kept: `misweeper-train usual`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from model.artefact import DEFAULT, MANIFEST, load, save
from training.calibrate import learned_from, what_was_seen
from training.console import console
from training.files import DataError, tried
from training.inputs import keep_input_shares
from training.options import ArtefactFolder, Data, training_set
from training.recipe import Recipe
from training.splits import fold


def usual(
    out: Annotated[Path, typer.Option(help="Directory for the artefact that says why it flags.")],
    artefact: ArtefactFolder = DEFAULT,
    data: Data = None,
) -> None:
    """Put what training has seen of each class into an artefact that lacks it: a new version of it.

    With it each flagged message says which statistics are far from the nearest class, and an answer on a flux that
    training has not seen falls back towards the priors. Weights, temperature and thresholds stay as they are.

    Example: misweeper-train usual --out artefacts/with-reasons
    """
    if out.resolve() == artefact.resolve():
        raise DataError(f"{out} is the artefact itself; name another directory, so that its version changes")
    tried(out / MANIFEST)
    loaded, objects = load(artefact), training_set(data)
    split = loaded.record["split"]
    training = objects.take(fold(objects.ids, objects.labels, split["seed"], split["fold"]).train)
    seen = what_was_seen(learned_from(training, Recipe(**loaded.record["recipe"])))
    saved = save(out, replace(loaded, seen=seen))
    keep_input_shares(artefact, out)
    console.print(f"artefact {saved.name} {saved.digest[:12]} is in {out}; it has seen {len(training)} objects")
