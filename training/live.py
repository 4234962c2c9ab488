"""The command that fits an artefact's flag to a survey: `misweeper-train thresholds`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from model.artefact import DEFAULT, MANIFEST, load, save
from training.console import console
from training.evaluate import set_threads
from training.files import DataError, tried
from training.flags import ALERTS, from_stream
from training.inputs import keep_input_shares
from training.options import ArtefactFolder, Threads
from training.skies import read_skies


def thresholds(
    from_: Annotated[Path, typer.Option("--from", help="Folder of light curves, two parquet tables a set.")],
    out: Annotated[Path, typer.Option(help="Directory for the artefact with the new thresholds.")],
    artefact: ArtefactFolder = DEFAULT,
    rate: Annotated[float, typer.Option(min=1e-4, max=0.1, help="Share of all alerts to flag, at any age.")] = ALERTS,
    threads: Threads = 1,
) -> None:
    """Set the flag's thresholds from a survey's own light curves, which need no classes: a new version of an artefact.

    What a survey sends is flagged in that share of its alerts, whatever it is: so the rarest of the stream are found,
    not what PLAsTiCC does not know. Classes and probabilities stay as they are.

    Example: misweeper-train thresholds --from curves/ --out artefacts/own
    """
    set_threads(threads)
    if out.resolve() == artefact.resolve():
        raise DataError(f"{out} is the artefact itself; name another directory, so that its version changes")
    tried(out / MANIFEST)
    loaded, skies = load(artefact), read_skies(from_)
    found = from_stream(loaded, [sky.objects for sky in skies], rate)
    objects = sum(len(sky.objects) for sky in skies)
    record = {**loaded.record, "thresholds": {"objects": objects, "sets": [sky.name for sky in skies], "rate": rate}}
    saved = save(out, replace(found, name=f"{loaded.name}-own-flag", record=record))
    keep_input_shares(artefact, out)
    console.print(f"artefact {saved.name} {saved.digest[:12]} is in {out}; its thresholds are of {objects} objects")
