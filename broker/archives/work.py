"""What a process of a cluster is told to classify with: few plain values, which travel with each task."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from broker.errors import StartupError
from model.artefact import DEFAULT, ArtefactError, load
from model.classifier import Classifier, DeviceError


@dataclass(frozen=True, slots=True)
class Work:
    """An artefact, which every process has under the same name, and how it is put to work."""

    artefact: str | None = None  # a folder; None: the one that misweeper ships
    digest: str | None = None  # that it must have
    device: Literal["auto", "cuda", "cpu"] = "auto"
    priors: Literal["balanced", "natural"] = "natural"
    threads: int = 1
    every: bool = False  # a row after each observation


@lru_cache(maxsize=1)
def worker(work: Work) -> Classifier:
    """The classifier of this process, read once. Raises StartupError."""
    try:
        artefact = load(Path(work.artefact) if work.artefact else DEFAULT)
        found = Classifier(artefact, device=work.device, priors=work.priors, threads=work.threads)
    except (ArtefactError, DeviceError) as error:
        raise StartupError(f"a process of the cluster cannot classify: {error}") from error
    if work.digest not in (None, found.digest):
        raise StartupError(
            f"a process of the cluster has another artefact, {found.digest[:12]} and not {str(work.digest)[:12]}; "
            "install the same misweeper everywhere, or name a folder that all have"
        )
    return found
