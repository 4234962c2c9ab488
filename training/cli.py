"""`misweeper-train`: fetch the data, fit a recipe, evaluate an artefact, predict a file."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import DownloadColumn, MofNCompleteColumn, TaskID, TextColumn

from model.artefact import DEFAULT, MANIFEST, WEIGHTS, ArtefactError, load
from training import evaluation, live, splits, usual
from training import fetch as source
from training.comparison import comparing, paper, results
from training.comparison.balancing import balance, before_and_after
from training.comparison.folds import FoldsError
from training.console import bar, console, epochs, print_figures, print_table
from training.dataset import Objects, read_metadata
from training.evaluate import figures as figures_of
from training.evaluate import rounded, set_threads
from training.files import FULL, DataError, metadata_beside, tried
from training.fit import finish, fit_fold, split_name
from training.holdout import holdout as heldout
from training.holdout import write
from training.options import ArtefactFolder, Data, Fold, Threads, test_set, training_set
from training.predict import predict as classify
from training.recipe import SHIPPED, RecipeError
from training.recipe import load as load_recipe

EXTRA = ("lightgbm", "matplotlib")  # of the extra `train`, for the commands `anchor` and `plots` alone
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


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


app.command()(evaluation.evaluate)
app.command()(comparing.folds)
app.command()(comparing.anchor)
app.command("leave-out")(comparing.leave_out)
app.command()(comparing.plots)
app.command()(comparing.card)
app.command()(live.thresholds)
app.command()(usual.usual)


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
