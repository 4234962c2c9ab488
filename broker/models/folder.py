"""The folder of artefacts: what lies in it, and whether that is what it should be. Needs no torch."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from broker.errors import StartupError
from broker.models.promoted import FILE, Promoted, is_name
from broker.text import printable

MANIFEST, WEIGHTS = "artefact.json", "weights.safetensors"  # as model.artefact, which imports torch, has them
LARGEST_BYTES = 2**30  # of a file; likewise

Signature = tuple[tuple[str, int, int, int], ...]


class Lying(NamedTuple):
    """An artefact as it lies there, not yet loaded."""

    folder: str
    name: str
    digest: str  # sha256 in hex over both files
    nbytes: int
    manifest: dict[str, Any]


def artefacts_in(folder: Path) -> Iterator[Lying | StartupError]:
    """Each artefact in a folder, by name; in its place an error where it cannot be read."""
    try:
        names = sorted(p.name for p in folder.iterdir() if p.is_dir() and is_name(p.name))
    except OSError as error:
        raise StartupError(
            f"{folder} cannot be read ({error.strerror}); set MISWEEPER_CLASSIFIER__MODELS to a folder of artefacts"
        ) from error
    for name in names:
        try:
            yield lying(folder / name)
        except StartupError as error:
            yield error


def lying(path: Path) -> Lying:
    """An artefact by its two files. Raises StartupError where one is missing, or the manifest is none."""
    try:
        if (size := max((path / file).stat().st_size for file in (MANIFEST, WEIGHTS))) > LARGEST_BYTES:
            raise StartupError(f"{path} has a file of {size} bytes, an artefact has none above {LARGEST_BYTES}")
        raw, weights = ((path / file).read_bytes() for file in (MANIFEST, WEIGHTS))
    except OSError as error:
        raise StartupError(f"{path} is no artefact ({error.filename}: {error.strerror}); copy it again") from error
    try:
        manifest = json.loads(raw)
        name = printable(str(manifest["name"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StartupError(f"{path / MANIFEST} is no artefact's manifest; copy the artefact again") from None
    return Lying(path.name, name, sha256(raw + weights).hexdigest(), len(raw) + len(weights), manifest)


def signature(folder: Path, promoted: Promoted) -> Signature:
    """Changes when another promotion is written, or the files of a promoted artefact are."""
    names = {one.folder for one in promoted.named().values()}
    paths = [folder / FILE, *(folder / name / file for name in sorted(names) for file in (MANIFEST, WEIGHTS))]
    found = []
    for path in paths:
        try:
            seen = path.stat()
            found.append((str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns))
        except OSError:
            found.append((str(path), 0, 0, 0))
    return tuple(found)
