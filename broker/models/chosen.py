"""The artefacts that are to classify, loaded and proved by their digests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broker.config import Settings
from broker.errors import StartupError
from broker.models.folder import Lying, artefacts_in
from broker.models.promoted import ALL, DIGITS, SHADOW, Named, Promoted, read_promoted
from model.artefact import DEFAULT, Artefact, ArtefactError
from model.artefact import load as load_artefact
from model.drift import InputShares, read_shares


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which artefacts are to classify from now on."""

    number: int  # of the promotion; 0 where the configuration alone chooses
    everything: Artefact
    surveys: Mapping[str, Artefact] = field(default_factory=dict)
    shadow: Artefact | None = None
    known: Mapping[str, InputShares] = field(default_factory=dict)  # how training showed inputs, by artefact's digest

    def each(self) -> Iterator[tuple[str, Artefact]]:
        """What each is for: all, a survey, or shadow."""
        yield ALL, self.everything
        yield from self.surveys.items()
        if self.shadow:
            yield SHADOW, self.shadow

    def digests(self) -> dict[str, str]:
        """By what for."""
        return {role: one.digest for role, one in self.each()}

    def beginnings(self) -> dict[str, str]:
        """The same for a line of the log."""
        return {role: digest[:DIGITS] for role, digest in self.digests().items()}


def chosen_by(settings: Settings) -> Chosen:
    """The artefacts that the configuration names and those that are promoted. Raises StartupError."""
    folder = settings.classifier.models
    promoted = read_promoted(folder) if folder else Promoted()
    loaded = {role: proved(folder, one) for role, one in promoted.named().items() if folder}
    shadow = loaded.pop(SHADOW, None)
    if shadow and settings.outputs.shadow is None:
        raise StartupError("a shadow is promoted and has no topic; set MISWEEPER_OUTPUTS__SHADOW, or withdraw it")
    places = {one.digest: folder / one.folder for one in promoted.named().values() if folder}
    everything = loaded.pop(ALL, None)
    if everything is None:
        everything = configured(settings)
        places[everything.digest] = settings.classifier.artefact or DEFAULT
    known = {digest: shares for digest, place in places.items() if (shares := read_shares(place))}
    return Chosen(promoted.number, everything, loaded, shadow, known)


def answering(settings: Settings, survey: str, digest: str | None) -> Artefact:
    """The artefact with a digest, where it lies in the folder; else the one that answers a survey.

    Raises StartupError.
    """
    folder = settings.classifier.models
    for one in artefacts_in(folder) if folder and digest else ():
        if isinstance(one, Lying) and one.digest == digest and folder:
            return proved(folder, Named(one.folder, one.digest))
    chosen = chosen_by(settings)
    return chosen.surveys.get(survey, chosen.everything)


def configured(settings: Settings) -> Artefact:
    """The artefact that the configuration names, or the one that misweeper ships."""
    try:
        return load_artefact(settings.classifier.artefact or DEFAULT)
    except ArtefactError as error:
        raise StartupError(f"{error} (MISWEEPER_CLASSIFIER__ARTEFACT names the folder)") from error


def proved(folder: Path, one: Named) -> Artefact:
    """A promoted artefact that is what was promoted. Raises StartupError."""
    path = folder / one.folder
    try:
        artefact = load_artefact(path)
    except ArtefactError as error:
        raise StartupError(f"{error} (it is promoted in {folder})") from error
    if artefact.digest != one.digest:
        raise StartupError(
            f"{path} has the digest {artefact.digest[:DIGITS]}, promoted was {one.digest[:DIGITS]}; "
            "copy that one again, or promote what lies there: misweeper model promote"
        )
    return artefact
