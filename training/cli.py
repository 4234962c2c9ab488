"""`misweeper-train`: fetch the data, fit a recipe, evaluate an artefact, predict a file."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from model.artefact import DEFAULT, ArtefactError, load
from training import fetch as source
from training import splits
from training.card import CUT_NAMES
from training.dataset import DataError, Objects, read
from training.evaluate import evaluate as measure
from training.evaluate import rounded, set_threads, shift
from training.fit import finish, fit_fold, split_name
from training.folds import FILE, FoldsError, gather
from training.holdout import holdout as heldout
from training.holdout import write
from training.predict import predict as classify
from training.recipe import RecipeError
from training.recipe import load as load_recipe

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True)

Data = Annotated[Path | None, typer.Option(help="Folder with PLAsTiCC's files; by default where `fetch` puts them.")]
Fold = Annotated[int, typer.Option(min=0, max=splits.FOLDS - 1, help="Which fifth of the objects is only tested on.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads; the same seed and threads give the same weights.")]
ArtefactFolder = Annotated[
    Path, typer.Option("--artefact", help="Directory of the artefact.", show_default="the shipped one")
]


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
def fit(  # noqa: PLR0917 - options
    recipe: Annotated[str, typer.Option(help="Name of a recipe in training/recipes.")] = "default",
    fold: Fold = 0,
    out: Annotated[Path | None, typer.Option(help="Directory for the artefact; by default within --runs.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("runs"),
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Train a recipe on one fold, calibrate, evaluate on its test part, write an artefact; resumes after a kill.

    Example: misweeper-train fit --recipe default --fold 0
    """
    set_threads(threads)
    chosen = load_recipe(recipe)
    objects = training_set(data)
    with bar(MofNCompleteColumn(), TextColumn("epochs")) as progress:
        tasks: dict[str, TaskID] = {}

        def show(network: str, row: dict[str, float]) -> None:
            figures = "  ".join(f"{name} {row[name]:.3f}" for name in ("loss", "full", "d10", "d30", "d60"))
            progress.console.print(f"{network}, epoch {row['epoch']:.0f}  {figures}", highlight=False)
            if network not in tasks:
                tasks[network] = progress.add_task(network, total=chosen.optimiser.epochs)
            progress.update(tasks[network], completed=row["epoch"])

        trained = fit_fold(chosen, objects, fold, runs, show)
    target = out or runs / f"{recipe}-fold{fold}" / "artefact"
    artefact = finish(chosen, trained, objects, fold, target, shifted=test_set(data))
    console.print(f"artefact {artefact.name} {artefact.digest[:12]} is in {target}")
    print_table(artefact.record["metrics"])


@app.command()
def evaluate(
    artefact: ArtefactFolder = DEFAULT,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for one JSON object; - for standard output.")
    ] = None,
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Figures of an artefact on the test part of its own fold, which it never saw.

    Example: misweeper-train evaluate --json -
    """
    set_threads(threads)
    loaded = load(artefact)
    objects = training_set(data)
    split = loaded.record["split"]
    rows = splits.fold(objects.ids, objects.labels, split["seed"], split["fold"]).test
    figures = measure(loaded, objects.take(rows), split_name(split["fold"]))
    shifted = test_set(data)
    if shifted is not None:
        figures["domain_shift"] = shift(loaded, shifted)
    text = json.dumps(rounded(figures | {"artefact": loaded.name, "digest": loaded.digest}), indent=1)
    if json_file is None or str(json_file) != "-":
        print_table(figures)
    if json_file is not None and str(json_file) == "-":
        sys.stdout.write(text + "\n")
    elif json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")


@app.command()
def folds(
    recipe: Annotated[str, typer.Option(help="Name of a recipe that was fitted on all five folds.")] = "default",
    runs: Annotated[Path, typer.Option(help="Folder of those runs.")] = Path("runs"),
    artefact: ArtefactFolder = DEFAULT,
) -> None:
    """Keep what each fold's artefact found on its own test part beside the artefact that is shipped, as folds.json.

    Example: misweeper-train folds --recipe default
    """
    gather(runs, recipe, artefact)
    console.print(f"the folds of {recipe} are in {artefact / FILE}")


@app.command()
def predict(  # noqa: PLR0917 - options
    curves: Annotated[Path, typer.Argument(metavar="IN", help="Light curves, CSV or parquet.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Table to write, CSV or parquet by its ending.")],
    metadata: Annotated[Path, typer.Option(help="The objects' metadata, CSV or parquet.")],
    artefact: ArtefactFolder = DEFAULT,
    natural: Annotated[bool, typer.Option(help="Natural instead of balanced priors.")] = False,
    threads: Threads = 1,
) -> None:
    """Classify every object of a file; writes Kaggle's columns with class 99, rows summing to 1, in bounded memory.

    Example: misweeper-train predict test_set.csv predictions.csv --metadata test_set_metadata.csv
    """
    set_threads(threads)
    loaded = load(artefact)
    with bar(MofNCompleteColumn(), TextColumn("objects")) as progress:
        task = progress.add_task("classifying", total=None)
        done = classify(loaded, curves, metadata, out, natural=natural, progress=lambda n: progress.advance(task, n))
    console.print(f"{done} objects are in {out}")


@app.command()
def holdout(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Parquet file to write.")],
    fold: Fold = 0,
    data: Data = None,
) -> None:
    """Write the demo's file: about 400 objects of a fold's test part, an observation a row, by time.

    Example: misweeper-train holdout broker/examples/plasticc_heldout.parquet
    """
    table = heldout(training_set(data), splits.SEED, fold)
    write(table, out)
    console.print(f"{table['object_id'].nunique()} objects, {len(table)} observations are in {out}")


def training_set(data: Path | None) -> Objects:
    """The 7,848 objects with known classes."""
    folder = data or source.cache_folder()
    return read(folder / source.TRAIN_CURVES, folder / source.TRAIN_METADATA)


def test_set(data: Path | None) -> Objects | None:
    """The 5,000 unblinded objects of the test set, if they are there (only the wheel has them)."""
    folder = data or source.cache_folder()
    if not (folder / source.SHIFT_CURVES).is_file():
        return None
    return read(folder / source.SHIFT_CURVES, folder / source.SHIFT_METADATA, label="true_target")


def print_table(figures: dict[str, Any]) -> None:
    """WLL by time and the scores of full curves."""
    table = Table(title=f"{figures['objects']} held-out objects", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("±", justify="right")
    errors = figures["errors"]
    for key, name in CUT_NAMES.items():
        table.add_row(f"WLL, {name}", f"{figures['wll'][key]:.3f}", f"{errors['wll'][key]:.3f}")
    for key in ("accuracy", "accuracy_natural", "macro_recall", "macro_f1", "ece", "ece_balanced"):
        table.add_row(key.replace("_", " "), f"{figures[key]:.3f}", f"{errors[key]:.3f}")
    for key, value in figures.get("domain_shift", {}).items():
        if key != "objects":
            table.add_row(f"test set's supernovae, {key.replace('_', ' ')}", f"{value:.3f}", "")
    Console().print(table)


@contextmanager
def bar(*amount: ProgressColumn) -> Iterator[Progress]:
    """A progress bar on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *amount,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress


def main() -> None:
    """The command line. What the user can mend is one sentence and exit code 2; anything else is a traceback."""
    try:
        app()
    except (DataError, RecipeError, ArtefactError, FoldsError, source.FetchError) as error:
        console.print(f"misweeper-train: {error}", markup=False, highlight=False)
        sys.exit(2)
