"""The command `misweeper-train evaluate`: an artefact on its test part, as a survey sees it, or on labelled skies."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from model.artefact import DEFAULT, MANIFEST, WEIGHTS, Artefact, load, save
from training import sky_tables, splits, tables
from training.comparison import results
from training.console import print_figures, print_table
from training.dataset import Objects
from training.evaluate import evaluate as measure
from training.evaluate import rounded, set_threads, shift
from training.files import DataError, replacing, tried
from training.fit import split_name
from training.judge import judge, of_objects
from training.options import ArtefactFolder, Data, Threads, known_view, test_set, training_set
from training.skies import read_skies
from training.views import VIEW_SEED, viewed


def evaluate(
    artefact: ArtefactFolder = DEFAULT,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for one JSON object; - for standard output.")
    ] = None,
    folds: Annotated[int, typer.Option(help="5: the artefact's recipe, a network a fold, from folds.json.")] = 1,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the README's table from kept figures.")] = False,
    sky: Annotated[
        Path | None,
        typer.Option("--sky", help="Folder of labelled light curves to judge by, two parquet tables a set."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Put the figures into the artefact; its digest changes.")
    ] = False,
    view: Annotated[
        str | None,
        typer.Option("--view", help="Show the test part as a survey's packets would: rubin, elasticc, ztf ..."),
    ] = None,
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Figures of an artefact on the test part of its own fold, which it never saw, beside those it is compared with.

    Example: misweeper-train evaluate --json -

    Example: misweeper-train evaluate --folds 5

    Example: misweeper-train evaluate --sky skies/

    Example: misweeper-train evaluate --view rubin
    """
    set_threads(threads)
    if view:
        seen_by(view, artefact, json_file, data)
        return
    if sky:
        judged_by(sky, artefact, json_file, markdown=markdown, keep=keep)
        return
    if markdown:
        sys.stdout.write(tables.markdown(tables.comparison(artefact)) + "\n")
        return
    loaded = load(artefact)
    require_room(artefact, json_file, keep=keep)
    if folds == 1:
        found = held_out(loaded, data)
        if keep:
            loaded = save(artefact, replace(loaded, record={**loaded.record, **recorded(rounded(found))}))
    else:
        found = over_folds(artefact, folds)
    found |= results.unseen(artefact) | {"artefact": loaded.name, "digest": loaded.digest}
    if str(json_file) != "-":
        print_figures(found)
        print_table(tables.comparison(artefact), "Beside others")
        if rows := tables.left_out(results.read(artefact, results.LEFT_OUT)):
            print_table(rows, "Classes left out of training")
    write_json(found | {"anchors": results.read(artefact, results.ANCHORS)}, json_file)


def seen_by(view: str, artefact: Path, json_file: Path | None, data: Path | None) -> None:
    """The figures of an artefact on its test part as a survey's packets would show it, and its flags by age."""
    known_view(view)
    loaded = load(artefact)
    require_room(artefact, json_file)
    split = loaded.record["split"]
    objects = viewed(test_part(loaded, data), view, VIEW_SEED)
    found = measure(loaded, objects, f"{split_name(split['fold'])}, view {view}")
    found |= {"alerts": of_objects(loaded, view, objects), "artefact": loaded.name, "digest": loaded.digest}
    if str(json_file) != "-":
        print_figures(found)
        for by in sky_tables.AGES:
            print_table(sky_tables.by_age(found["alerts"], by), f"Alerts of the view {view}, natural priors, {by}")
    write_json(found, json_file)


def judged_by(sky: Path, artefact: Path, json_file: Path | None, *, markdown: bool, keep: bool) -> None:
    """The figures of an artefact on labelled skies; the rows over all of them may be kept in it."""
    loaded = load(artefact)
    require_room(artefact, json_file, keep=keep)
    judged = judge(loaded, read_skies(sky))
    if keep:
        loaded = save(artefact, replace(loaded, record={**loaded.record, "skies": rounded(judged["rows"])}))
    found = judged | {"artefact": loaded.name, "digest": loaded.digest}
    if markdown:
        sys.stdout.write(sky_tables.as_markdown(found) + "\n")
    elif str(json_file) != "-":
        for make, title in ((sky_tables.over_all, "Over all sets"), (sky_tables.by_set, "By set"),
                            (sky_tables.by_class, "By class")):  # fmt: skip
            print_table(make(found), title)
    write_json(found, json_file)


def require_room(artefact: Path, json_file: Path | None, *, keep: bool = False) -> None:
    """Raise DataError where what is measured could not be written in the end."""
    if keep:
        tried(artefact / MANIFEST)
    if json_file is not None and str(json_file) != "-":
        tried(json_file, artefact / MANIFEST, artefact / WEIGHTS)


def write_json(found: dict[str, Any], json_file: Path | None) -> None:
    """Figures as one JSON object, to a file or to standard output. Raises DataError."""
    text = json.dumps(rounded(found), indent=1)
    if str(json_file) == "-":
        sys.stdout.write(text + "\n")
    elif json_file is not None:
        with replacing(json_file) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


def over_folds(artefact: Path, folds: int) -> dict[str, Any]:
    """The figures of so many folds that are kept beside an artefact. Raises DataError."""
    kept = results.read(artefact, results.FOLDS)
    if len(kept) != folds:
        raise DataError(
            f"{results.place(artefact, results.FOLDS)} holds {len(kept)} folds, not {folds}: "
            f"fit the recipe on every fold, then run `misweeper-train folds`"
        )
    return results.across(kept)


def recorded(found: dict[str, Any]) -> dict[str, Any]:
    """Figures as an artefact's record holds them: the domain shift beside the metrics."""
    metrics = {key: value for key, value in found.items() if key != "domain_shift"}
    return {"metrics": metrics} | ({"domain_shift": found["domain_shift"]} if "domain_shift" in found else {})


def held_out(artefact: Artefact, data: Path | None) -> dict[str, Any]:
    """The figures on the test part of the artefact's fold, and under domain shift."""
    found = measure(artefact, test_part(artefact, data), split_name(artefact.record["split"]["fold"]))
    shifted = test_set(data)
    return found if shifted is None else found | {"domain_shift": shift(artefact, shifted)}


def test_part(artefact: Artefact, data: Path | None) -> Objects:
    """The test part of the artefact's fold."""
    objects, split = training_set(data), artefact.record["split"]
    return objects.take(splits.fold(objects.ids, objects.labels, split["seed"], split["fold"]).test)
