"""`misweeper-train`: fetch the data, fit a recipe, evaluate an artefact, predict a file."""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import DownloadColumn, MofNCompleteColumn, TaskID, TextColumn

from model.artefact import DEFAULT, MANIFEST, WEIGHTS, Artefact, ArtefactError, load, save
from training import fetch as source
from training import live, sky_tables, splits, tables, usual
from training.comparison import comparing, paper, results
from training.comparison.balancing import balance, before_and_after
from training.comparison.folds import FoldsError
from training.console import bar, console, epochs, print_figures, print_table
from training.dataset import Objects, read_metadata
from training.evaluate import evaluate as measure
from training.evaluate import figures as figures_of
from training.evaluate import rounded, set_threads, shift
from training.files import FULL, DataError, metadata_beside, replacing, tried
from training.fit import finish, fit_fold, split_name
from training.holdout import holdout as heldout
from training.holdout import write
from training.judge import judge, of_objects
from training.options import ArtefactFolder, Data, Fold, Threads, known_view, test_set, training_set
from training.predict import predict as classify
from training.recipe import SHIPPED, RecipeError
from training.recipe import load as load_recipe
from training.skies import read_skies
from training.views import VIEW_SEED, viewed

EXTRA = ("lightgbm", "matplotlib")  # of the extra `train`, for the commands `anchor` and `plots` alone
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command()(comparing.folds)
app.command()(comparing.anchor)
app.command("leave-out")(comparing.leave_out)
app.command()(comparing.plots)
app.command()(comparing.card)
app.command()(live.thresholds)
app.command()(usual.usual)


@app.command()
def fetch(
    from_: Annotated[Path | None, typer.Option("--from", help="Folder with Kaggle's or Zenodo's files.")] = None,
    data: Data = None,
) -> None:
    """Get PLAsTiCC's training set (82 MB, no account needed), checked by sha256; goes on where it stopped.

    Example: misweeper-train fetch

    Example: misweeper-train fetch --from ~/Downloads/PLAsTiCC-2018
    """
    folder = data or source.cache_folder()
    tried(folder / source.TRAIN_CURVES)
    if from_:
        source.copy_from(from_, folder)
    else:
        with bar(DownloadColumn()) as progress:
            tasks: dict[str, TaskID] = {}

            def show(what: str, done: int, size: int) -> None:
                if what not in tasks:
                    tasks[what] = progress.add_task(what, total=size)
                progress.update(tasks[what], completed=done)

            source.fetch(folder, show)
    console.print(f"PLAsTiCC is in {folder}")


@app.command()
def fit(
    recipe: Annotated[str, typer.Option(help="Name of a recipe in training/recipes.")] = SHIPPED,
    fold: Fold = 0,
    out: Annotated[
        Path | None, typer.Option(help="Directory for the artefact, or for anchors.json; by default within --runs.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("runs"),
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Train a recipe on one fold, calibrate, evaluate on its test part, write an artefact; resumes after a kill.

    The recipes `paper` and `paper-as-published` are the 2018 report's network: they leave figures, not an artefact.

    Example: misweeper-train fit --recipe views --fold 0

    Example: misweeper-train fit --recipe paper --fold 0
    """
    set_threads(threads)
    folder = runs / f"{recipe}-fold{fold}"
    tried(folder / "log.csv")
    if recipe in paper.NAMES:
        tried((out or folder) / results.ANCHORS)
        fit_paper(recipe, fold, training_set(data), folder, out or folder)
        return
    chosen, target = load_recipe(recipe), out or folder / "artefact"
    tried(target / MANIFEST)
    objects = training_set(data)
    with epochs(chosen.optimiser.epochs) as show:
        trained = fit_fold(chosen, objects, fold, folder, partial(show, "network"))
    artefact = finish(chosen, trained, objects, fold, target, shifted=test_set(data))
    console.print(f"artefact {artefact.name} {artefact.digest[:12]} is in {target}")
    print_figures(artefact.record["metrics"])


def fit_paper(recipe: str, fold: int, objects: Objects, folder: Path, out: Path) -> None:
    """The 2018 report's network: what it is compared with is kept in OUT/anchors.json."""
    chosen = paper.load(recipe)
    split = splits.fold(objects.ids, objects.labels, splits.SEED, fold)
    training, validation, test = (objects.take(rows) for rows in split)
    drawn = balance(training.labels, np.random.default_rng(chosen.seed))
    counts = [(name, str(before), str(after)) for name, before, after in before_and_after(training.labels, drawn)]
    print_table([("class", "before", "after"), *counts], "Balancing the training part")
    with epochs(chosen.epochs) as show:
        network, progress = paper.train(chosen, training, validation, folder, partial(show, "network"))
    balanced, natural = paper.predict(network, training.labels, test)
    found = figures_of(balanced, natural, test, split_name(fold))
    kept = {"metrics": results.short(rounded(found)), "seconds": round(progress.seconds), "epochs": progress.epoch}
    if chosen.softmax_inside:
        kept["p99_zero"] = round(float((paper.published_p99(torch.from_numpy(balanced[:, 0])) == 0).float().mean()), 5)
        console.print(f"class 99 is exactly 0 for {kept['p99_zero']:.1%} of the test objects (old bug 3)")
    results.keep(out, results.ANCHORS, (recipe, str(fold)), kept)
    console.print(f"figures of {recipe} are in {out / results.ANCHORS}")
    print_figures(found)


@app.command()
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
    if keep:
        tried(artefact / MANIFEST)
    if json_file is not None and str(json_file) != "-":
        tried(json_file, artefact / MANIFEST, artefact / WEIGHTS)
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
    if json_file is not None and str(json_file) != "-":
        tried(json_file, artefact / MANIFEST, artefact / WEIGHTS)
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
    if keep:
        tried(artefact / MANIFEST)
    if json_file is not None and str(json_file) != "-":
        tried(json_file, artefact / MANIFEST, artefact / WEIGHTS)
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


def write_json(found: dict[str, Any], json_file: Path | None) -> None:
    """Figures as one JSON object, to a file or to standard output. Raises DataError."""
    text = json.dumps(rounded(found), indent=1)
    if str(json_file) == "-":
        sys.stdout.write(text + "\n")
    elif json_file is not None:
        with replacing(json_file) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


@app.command()
def predict(
    curves: Annotated[Path, typer.Argument(metavar="IN", help="Light curves, CSV or parquet.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Table to write, CSV or parquet by its ending.")],
    metadata: Annotated[
        Path | None, typer.Option(help="The objects' metadata, CSV or parquet; by default those beside IN.")
    ] = None,
    artefact: ArtefactFolder = DEFAULT,
    natural: Annotated[bool, typer.Option(help="Natural instead of balanced priors.")] = False,
    threads: Threads = 1,
) -> None:
    """Classify every object of a file; writes Kaggle's columns with class 99, rows summing to 1, in bounded memory.

    An object's rows must stand together. Metadata are found by Kaggle's and Zenodo's names: test_set_metadata.csv
    beside test_set.csv.

    Example: misweeper-train predict test_set.csv predictions.csv
    """
    set_threads(threads)
    loaded, beside = load(artefact), metadata or metadata_beside(curves)
    tried(out, curves, beside, artefact / MANIFEST, artefact / WEIGHTS)
    known = read_metadata(beside)
    if known.unknown_photoz:
        console.print(
            f"{known.unknown_photoz} objects have a hostgal_photoz of -9: it is read as unknown", markup=False
        )
    with bar(MofNCompleteColumn(), TextColumn("objects")) as progress:
        task = progress.add_task("classifying", total=len(known.ids))
        done = classify(loaded, curves, known, out, natural=natural, progress=lambda n: progress.advance(task, n))
        progress.update(task, total=done)
    console.print(f"{done} objects are in {out}")
    if lost := len(known.ids) - done:
        console.print(f"{lost} objects of the metadata have no rows in {curves}", markup=False)


@app.command()
def holdout(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Parquet file to write.")],
    fold: Fold = 0,
    data: Data = None,
) -> None:
    """Write the demo's file: about 400 objects of a fold's test part, an observation a row, by time.

    Example: misweeper-train holdout broker/examples/plasticc_heldout.parquet
    """
    tried(out)
    table = heldout(training_set(data), splits.SEED, fold)
    write(table, out)
    console.print(f"{table['object_id'].nunique()} objects, {len(table)} observations are in {out}")


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


def main() -> None:
    """The command line. What the user can mend is one sentence and exit code 2; anything else is a traceback."""
    try:
        app()
    except (DataError, FoldsError, RecipeError, ArtefactError, source.FetchError) as error:
        console.print(f"misweeper-train: {error}", markup=False, highlight=False)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        where = error.filename or "a file"
        console.print(f"misweeper-train: {where}: {error.strerror}; look at its disk and its rights", markup=False)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        console.print(f"misweeper-train: this needs {error.name}; pip install 'misweeper[train]'", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
