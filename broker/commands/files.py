"""Files that commands write: tried before the work, written beside and moved into place, whole or not at all."""

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from broker.errors import StartupError
from broker.text import printable


def try_out(path: Path) -> None:
    """Look, before the work begins, whether `put` will be able to write. Raises StartupError; leaves nothing."""
    with saying(path):
        if special(path):
            with path.open("ab"):
                return
        beside = neighbour(path)
        beside.open("xb").close()
        beside.unlink()


def put(path: Path, text: str) -> None:
    """Write a text; a file that was there stays as it is until the new one is whole. Raises StartupError."""
    with saying(path):
        if special(path):
            path.write_text(text)
            return
    with placed(path) as beside, saying(path), beside.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A name to write a file or a folder under; it is moved to `path` when the block has ended well, and gone if not.

    Raises StartupError.
    """
    with saying(path):
        beside = neighbour(path)
    try:
        yield beside
        with saying(path):
            if path.exists():
                beside.chmod(stat.S_IMODE(path.stat().st_mode))
            beside.replace(path.resolve())
    except BaseException:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def special(path: Path) -> bool:
    """Whether something is there that is written to, not replaced: a terminal, a pipe, /dev/null.

    Raises IsADirectoryError.
    """
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder")
    return path.exists() and not path.is_file()


def neighbour(path: Path) -> Path:
    """A name that nobody has, in the folder of the file itself, even where the path is a link to it."""
    return path.resolve().with_name(f".misweeper-{secrets.token_hex(6)}.part")


@contextlib.contextmanager
def saying(path: Path) -> Iterator[None]:
    """An error of the file system is told in one sentence. Raises StartupError."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # a null byte in the name; links in a circle
        why = getattr(error, "strerror", None) or str(error)
        raise StartupError(f"{printable(str(path))} cannot be written ({why}); name another file") from error
