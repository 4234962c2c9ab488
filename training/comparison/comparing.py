"""The commands of `misweeper-train` that put an artefact beside others: folds, anchor, leave-out, plots, card."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import MofNCompleteColumn, TextColumn

from model.artefact import DEFAULT, load
from training import splits, tables
from training.card import standing
from training.card import write as write_card
from training.comparison import results
from training.comparison.folds import gather, pooled
from training.comparison.leaveout import LEFT_OUT, shortened
from training.comparison.leaveout import leave_out as without
from training.console import bar, console, epochs, print_figures, print_table
from training.evaluate import figures as figures_of
from training.evaluate import rounded, set_threads
from training.files import replacing, tried
from training.fit import split_name
from training.options import ArtefactFolder, Data, Fold, Threads, known_view, training_set
from training.recipe import SHIPPED, Recipe
from training.skies import read_skies
from training.views import MATCHED, VIEWS, viewed


def folds(
    recipe: Annotated[str, typer.Option(help="Name of the recipe that was fitted on every fold.")] = SHIPPED,
    artefact: ArtefactFolder = DEFAULT,
    runs: Annotated[Path, typer.Option(help="Folder in which `fit` ran.")] = Path("runs"),
    view: Annotated[
        str | None,
        typer.Option("--view", help="Print the figures of all folds' test objects together, seen so; keep nothing."),
    ] = None,
    data: Data = None,
) -> None:
    """Gather the figures of all five folds of a recipe beside an artefact, for `evaluate --folds 5`.

    Example: misweeper-train folds --recipe views --runs runs

    Example: misweeper-train folds --recipe views --runs runs --view rubin
    """
    if view:
        known_view(view)
        print_figures(pooled(runs, recipe, training_set(data), view))
        return
    gather(runs, recipe, artefact)
    print_table(tables.comparison(artefact), "Beside others")


def anchor(
    fold: Fold = 0,
    artefact: ArtefactFolder = DEFAULT,
    data: Data = None,
) -> None:
    """Train LightGBM on a fold (extra `train`), to compare with; its figures are kept beside the artefact.

    Example: misweeper-train anchor --fold 0
    """
    from training.comparison import anchor as lightgbm  # noqa: PLC0415 - only this command needs the extra

    tried(results.place(artefact, results.ANCHORS))
    objects = training_set(data)
    split = splits.fold(objects.ids, objects.labels, splits.SEED, fold)
    training, validation, test = (objects.take(rows) for rows in split)
    with bar(MofNCompleteColumn(), TextColumn("cuts")) as progress:
        task = progress.add_task("LightGBM", total=len(tables.CUT_NAMES))
        show = lambda n: progress.advance(task, n)  # noqa: E731 - shorter than a function
        balanced, natural, seconds = lightgbm.classify(training, validation, test, show)
    found = figures_of(balanced, natural, test, split_name(fold))
    kept = {"metrics": results.short(rounded(found)), "seconds": round(seconds)}
    results.keep(artefact, results.ANCHORS, ("lightgbm", str(fold)), kept)
    print_figures(found)


def leave_out(
    classes: Annotated[list[int] | None, typer.Argument(metavar="[CLASS]...", show_default="15 64 95 53 88")] = None,
    epochs_most: Annotated[int, typer.Option("--epochs", min=1, help="Epochs of each network at most.")] = 30,
    artefact: ArtefactFolder = DEFAULT,
    runs: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")] = Path("runs"),
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Train networks that never see a class, and measure how well they call its objects anomalous.

    The recipe and fold are the artefact's, the epochs fewer; the figures are kept beside the artefact.

    Example: misweeper-train leave-out 15 64 95
    """
    set_threads(threads)
    record = load(artefact).record
    recipe, fold = shortened(Recipe.model_validate(record["recipe"]), epochs_most), record["split"]["fold"]
    tried(results.place(artefact, results.LEFT_OUT))
    tried(runs / "log.csv")
    objects = training_set(data)
    for left in classes or LEFT_OUT:
        folder = runs / f"{recipe.name}-fold{fold}-without-{left}"
        with epochs(recipe.optimiser.epochs) as show:
            found = without(recipe, left, objects, fold, folder, partial(show, f"without {left}"))
        results.keep(artefact, results.LEFT_OUT, (str(left),), rounded(found))
    print_table(tables.left_out(results.read(artefact, results.LEFT_OUT)), "Left out of training")


def plots(
    what: Annotated[
        Literal["figures", "views"], typer.Argument(help="The artefact's figures, or how each view looks.")
    ] = "figures",
    out: Annotated[Path, typer.Option(help="Folder for the PNG files.")] = Path("figures"),
    artefact: ArtefactFolder = DEFAULT,
    runs: Annotated[Path, typer.Option(help="Folder with the logs of `fit`.")] = Path("runs"),
    sky: Annotated[Path | None, typer.Option(help="Folder of light curves to draw beside the views.")] = None,
    data: Data = None,
    threads: Threads = 1,
) -> None:
    """Draw the figures (extra `train`): light curves, balancing, training, confusion, calibration, WLL by time, ROC.

    Example: misweeper-train plots --out figures/

    Example: misweeper-train plots views --sky skies/
    """
    from training.looks import draw_views  # noqa: PLC0415 - only this command needs the extra
    from training.plots import draw  # noqa: PLC0415 - likewise

    set_threads(threads)
    if what == "views":
        tried(out / "views.png")
        objects = training_set(data)
        split = splits.fold(objects.ids, objects.labels, splits.SEED, load(artefact).record["split"]["fold"])
        alike = [name for name in VIEWS if name.endswith(MATCHED)]  # as those without: they differ in what is known
        shown = {name: viewed(objects.take(split.validation), name, 0) for name in VIEWS if name not in alike}
        draw_views(out, shown, {sky.name: sky.objects for sky in read_skies(sky)} if sky else {})
        console.print(f"views.png is in {out}")
        return
    tried(out / "light_curves.png")
    for missing in draw(out, artefact, training_set(data), runs):
        console.print(f"left out {missing}", markup=False)
    console.print(f"figures are in {out}")


def card(
    artefact: ArtefactFolder = DEFAULT,
    readme: Annotated[Path | None, typer.Option(help="A README whose results table is to be made anew.")] = None,
) -> None:
    """Write an artefact's MODEL_CARD.md from its record and the figures kept beside it.

    Example: misweeper-train card --readme README.md
    """
    if readme:
        tried(readme)
    write_card(artefact)
    if readme:
        shown = standing(artefact)
        with replacing(readme) as partial:
            partial.write_text(tables.replaced(readme, shown), encoding="utf-8")
