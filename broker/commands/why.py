"""Why an object was classified as it was: `misweeper why`."""

import json
from typing import Annotated

import typer

from broker.config import Settings
from broker.connections import connect_redis
from broker.errors import StartupError
from broker.lightcurves.entries import observations, parse
from broker.lightcurves.hashes import salts
from broker.lightcurves.store import Refused
from broker.text import printable
from model.observation import Context, LightCurve

MOST = 20_000  # entries read


def why(
    name: Annotated[str, typer.Argument(metavar="SURVEY/OBJECT", help="Whose light curve.")],
    until: Annotated[float | None, typer.Option(help="Leave out what was observed later [MJD, TAI].")] = None,
    model: Annotated[
        str | None, typer.Option("--version", help="Of the model that answered; no other will do.")
    ] = None,
) -> None:
    """Say as JSON what an object's classification was made from: features, nearest classes, score and its threshold.

    It is computed from the light curve in Redis with the artefact that answers this survey, or the one of --version
    from MISWEEPER_CLASSIFIER__MODELS, the host's photo-z unknown, and writes nothing.

    Example: misweeper why plasticc/77306 --until 59649.1
    """
    settings = Settings.load()
    key = name.encode()
    log = connect_redis(settings).read([key], MOST)[0]
    if isinstance(log, Refused) or not log:
        raise StartupError(f"Redis has no light curve of {printable(name)}; names are survey/object")
    entries, good = parse(log, int(salts([key])[0]))
    rows = LightCurve.of(observations(entries[good])).observations
    rows = rows if until is None else rows[rows["mjd_tai"] <= until]
    if not len(rows):
        raise StartupError(f"the light curve of {printable(name)} has no point until MJD {until}")
    from broker.models.chosen import answering  # noqa: PLC0415 - torch takes seconds to import
    from model.explanation import explain  # noqa: PLC0415
    from model.features import contexts  # noqa: PLC0415

    artefact = answering(settings, name.partition("/")[0], model)
    if model and model != artefact.digest:
        raise StartupError(
            f"the model {printable(model[:12])} answered and MISWEEPER_CLASSIFIER__ARTEFACT is {artefact.digest[:12]}; "
            "name the folder of the one that answered"
        )
    found = explain(artefact, rows, contexts([Context()]), natural=settings.classifier.priors == "natural")
    said = found._asdict() | {part: [one._asdict() for one in getattr(found, part)] for part in ("furthest", "nearest")}
    typer.echo(json.dumps(said))
