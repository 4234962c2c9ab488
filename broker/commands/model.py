"""Artefacts: those in the folder, what is promoted, and how a shadow compares."""

from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.commands.moments import moment
from broker.commands.recovery import Since, Until, progress
from broker.commands.selection import survey_listed
from broker.commands.shown import cell
from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.models.comparison import compare as recounted
from broker.models.folder import Lying, artefacts_in, lying
from broker.models.promoted import ALL, DIGITS, SHADOW, Named, is_name, promote, read_promoted
from broker.text import printable

app = typer.Typer(no_args_is_help=True, help="The artefacts that classify: see, promote and compare them.")

LONGEST_LINE = 1_000
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str, typer.Argument(help="Its folder's name in MISWEEPER_CLASSIFIER__MODELS.")]


@app.command("list")
def list_models(*, json: AsJson = False) -> None:
    """List the artefacts in the folder MISWEEPER_CLASSIFIER__MODELS, and what each is promoted for.

    Example: MISWEEPER_CLASSIFIER__MODELS=/var/lib/misweeper/models misweeper model list
    """
    folder = models()
    named = read_promoted(folder).named()
    found, broken = [], []
    for one in artefacts_in(folder):
        if isinstance(one, StartupError):
            broken.append(str(one))
        else:
            found.append(row(one, [role for role, name in named.items() if name.folder == one.folder], named))
    if json:
        typer.echo(dumps(found))
    else:
        table = Table("folder", "name", "digest", "kB", "promoted for")
        for each in found:
            cells = (each["folder"], each["name"], each["digest"][:DIGITS], f"{each['bytes'] // 1000:,}")
            table.add_row(*map(cell, cells), cell(", ".join(each["promoted"])))
        Console().print(table)
    for sentence in broken:
        typer.echo(printable(sentence, LONGEST_LINE), err=True)


def row(one: Lying, roles: list[str], named: dict[str, Named]) -> dict[str, Any]:
    """An artefact as it is listed."""
    said = [role if named[role].digest == one.digest else f"{role} (was another: refused)" for role in roles]
    return {"folder": one.folder, "name": one.name, "digest": one.digest, "bytes": one.nbytes, "promoted": said}


@app.command("show")
def show_model(name: Name) -> None:
    """Show what an artefact's manifest says, as JSON: its sizes, its flag, and the record of where it came from.

    Example: misweeper model show 2026-11
    """
    one = lying(place_of(name))
    typer.echo(dumps({"folder": one.folder, "digest": one.digest, "bytes": one.nbytes} | one.manifest, indent=1))


@app.command()
def verify(name: Name) -> None:
    """Load an artefact and let it classify: exit code 2 and one sentence where it cannot be used.

    Example: misweeper model verify 2026-11
    """
    typer.echo(f"{printable(name)}: whole, and it classifies; digest {verified(place_of(name))}")


@app.command("promote")
def promote_model(
    name: Annotated[str | None, typer.Argument(help="Its folder's name; none with --withdraw.")] = None,
    *,
    survey: Annotated[str | None, typer.Option(help="For this survey's alerts alone; by default for all.")] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="As shadow: its answers go to MISWEEPER_OUTPUTS__SHADOW alone.")
    ] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Promote nothing for it any more.")] = False,
) -> None:
    """Verify an artefact and promote it: running workers take it between two batches, within seconds.

    To roll back, promote the one from before. What nothing is promoted for is classified by
    MISWEEPER_CLASSIFIER__ARTEFACT, or by the artefact that misweeper ships.

    Examples:
    misweeper model promote 2026-11

    misweeper model promote 2026-12 --shadow

    misweeper model promote ztf-2026 --survey ztf

    misweeper model promote --shadow --withdraw
    """
    settings, folder = Settings.load(), models()
    if shadow and survey:
        raise StartupError("a shadow is that of all surveys; leave --survey out")
    if survey is not None:
        survey_listed(survey)
    if (name is None) != withdraw:
        raise StartupError("name an artefact, or --withdraw without one")
    if shadow and not withdraw and settings.outputs.shadow is None:
        raise StartupError("a shadow needs a topic; set MISWEEPER_OUTPUTS__SHADOW here and for the workers")
    role = SHADOW if shadow else survey or ALL
    one = None if name is None else Named(name, verified(place_of(name)))
    after = promote(folder, role, one)
    said = f"{printable(one.folder)} ({one.digest[:DIGITS]})" if one else "nothing"
    typer.echo(f"promotion {after.number}: {said} for {role}")


@app.command("compare")
def compare_models(*, since: Since = None, until: Until = None, json: AsJson = False) -> None:
    """Compare the shadow's answers with those that were published, from the topics alone.

    Example: misweeper model compare --since 2026-11-23
    """
    settings = Settings.load()
    if settings.outputs.shadow is None:
        raise StartupError("there is no shadow to compare with; MISWEEPER_OUTPUTS__SHADOW names its topic")
    begin_ms, end_ms = (moment(text) if text else None for text in (since, until))
    with progress("answers read") as (expect, advanced):
        found = recounted(connect_kafka(settings), settings, begin_ms, end_ms, expect=expect, advanced=advanced)
    summary = found.summary()
    if json:
        typer.echo(dumps(summary))
        return
    for line in lines(summary):
        typer.echo(line)


def lines(summary: dict[str, Any]) -> Iterator[str]:
    """A comparison for people."""
    shadowed, both = summary["shadow_answers"], summary["compared"]
    yield f"{summary['answers']:,} answers, {shadowed:,} of the shadow, {both:,} of both"
    for one in summary["artefacts"]:
        yield (
            f"{printable(one['answers'])[:DIGITS]} and shadow {printable(one['shadow'])[:DIGITS]}: "
            f"{one['compared']:,} alerts, same class {one['same_class_share']:.2%}, "
            f"same flag {one['same_flag_share']:.2%}, mean distance {one['mean_distance']:.4f}"
        )


def models() -> Path:
    """The folder of artefacts. Raises StartupError."""
    if folder := Settings.load().classifier.models:
        return folder
    raise StartupError("there is no folder of artefacts; set MISWEEPER_CLASSIFIER__MODELS")


def place_of(name: str) -> Path:
    """Where an artefact lies. Raises StartupError."""
    if not is_name(name):
        raise StartupError(f"{printable(name)} is no name of a folder in MISWEEPER_CLASSIFIER__MODELS; copy it there")
    return models() / name


def verified(path: Path) -> str:
    """The digest of an artefact that classifies. Raises StartupError."""
    from broker.models.workshop import warmed_up  # noqa: PLC0415 - torch takes seconds to import
    from model.artefact import ArtefactError, load  # noqa: PLC0415
    from model.classifier import Classifier  # noqa: PLC0415

    try:
        artefact = load(path)
    except ArtefactError as error:
        raise StartupError(str(error)) from error
    warmed_up(Classifier(artefact, device="cpu"))
    return artefact.digest
