"""Options that several commands share, and the data they name."""

from pathlib import Path
from typing import Annotated

import typer

from training import fetch as source
from training import splits
from training.dataset import UNKNOWN, Objects, read
from training.files import DataError
from training.views import VIEWS

Data = Annotated[Path | None, typer.Option(help="Folder with PLAsTiCC's files; by default where `fetch` puts them.")]
Fold = Annotated[int, typer.Option(min=0, max=splits.FOLDS - 1, help="Which fifth of the objects is only tested on.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads; the same seed and threads give the same weights.")]
ArtefactFolder = Annotated[
    Path, typer.Option("--artefact", help="Directory of the artefact.", show_default="the shipped one")
]


def training_set(data: Path | None) -> Objects:
    """The 7,848 objects with known classes. Raises DataError."""
    folder = data or source.cache_folder()
    return labelled(folder / source.TRAIN_CURVES, folder / source.TRAIN_METADATA, "target")


def test_set(data: Path | None) -> Objects | None:
    """The 5,000 unblinded objects of the test set, if they are there (only the wheel has them)."""
    folder = data or source.cache_folder()
    if not (folder / source.SHIFT_CURVES).is_file():
        return None
    return labelled(folder / source.SHIFT_CURVES, folder / source.SHIFT_METADATA, "true_target")


def known_view(name: str) -> None:
    """Raises DataError where no view has this name; asked before anything is read."""
    if name not in VIEWS:
        raise DataError(f"there is no view {name}; choose {', '.join(VIEWS)}")


def labelled(curves: Path, metadata: Path, label: str) -> Objects:
    """Objects to learn from or to be scored on, each of one of the 14 classes. Raises DataError."""
    objects = read(curves, metadata, label)
    if (unknown := objects.labels == UNKNOWN).any():
        raise DataError(
            f"{metadata}: object {objects.ids[unknown][0]} has none of the 14 classes as its {label}; "
            "name files with classes, or remove it"
        )
    return objects
