"""What is promoted: one small file in the folder of artefacts, which says by name and digest which of them classify.

    {"number": 7, "all": {"folder": "2026-11", "digest": "91ab..."}, "surveys": {"ztf": {...}}, "shadow": {...}}

It is replaced as a whole, so whoever reads it sees all of one promotion or all of another. The number grows with each.
What nothing is promoted for is classified by the artefact that the configuration names.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from broker.errors import StartupError
from broker.names import NAMES
from broker.text import printable

FILE = "promoted.json"
LARGEST_BYTES = 65_536
DIGITS = 12  # of a digest, that people compare
ALL, SHADOW = "all", "shadow"
SURVEYS = tuple(name.decode() for name in NAMES)


@dataclass(frozen=True, slots=True)
class Named:
    """An artefact in the folder."""

    folder: str
    digest: str  # sha256 in hex, that it must have

    @classmethod
    def of(cls, told: object) -> Self:
        """Raises ValueError."""
        if not isinstance(told, dict) or set(told) != {"folder", "digest"}:
            raise ValueError("an artefact is named by folder and digest, and by nothing else")
        folder, digest = told["folder"], told["digest"]
        if not isinstance(folder, str) or not is_name(folder):
            raise ValueError(f"{folder!r:.60} is no name of a folder beside it")
        if not isinstance(digest, str) or len(digest) != 64:
            raise ValueError("a digest has 64 letters")
        return cls(folder, digest)

    def told(self) -> dict[str, str]:
        """As the file has it."""
        return {"folder": self.folder, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Promoted:
    """One promotion."""

    number: int = 0
    everything: Named | None = None
    surveys: Mapping[str, Named] = field(default_factory=dict)
    shadow: Named | None = None

    def named(self) -> dict[str, Named]:
        """All that are promoted, by what for: all, a survey, or shadow."""
        found = {ALL: self.everything, **self.surveys, SHADOW: self.shadow}
        return {role: one for role, one in found.items() if one is not None}

    def with_one(self, role: str, one: Named | None) -> "Promoted":
        """The next promotion: another artefact for a role, or none any more."""
        number = self.number + 1
        if role == ALL:
            return replace(self, number=number, everything=one)
        if role == SHADOW:
            return replace(self, number=number, shadow=one)
        others = {survey: of for survey, of in self.surveys.items() if survey != role}
        return replace(self, number=number, surveys=others | ({role: one} if one else {}))


def is_name(text: str) -> bool:
    """Whether it names a folder beside the file, and nothing further away."""
    return bool(text) and len(text) <= 200 and text.isprintable() and "/" not in text and not text.startswith(".")


def read_promoted(folder: Path) -> Promoted:
    """What is promoted in a folder of artefacts; nothing where the file is not there. Raises StartupError."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        if folder.is_dir():
            return Promoted()
        raise StartupError(f"{folder} is no folder; make it, or set MISWEEPER_CLASSIFIER__MODELS") from None
    except OSError as error:
        raise StartupError(f"{path} cannot be read ({error.strerror}); look at its rights") from error
    try:
        return parsed(raw)
    except (ValueError, RecursionError) as error:
        why = printable(str(error))
        raise StartupError(f"{path} cannot be used ({why}); promote again: misweeper model promote") from None


def parsed(raw: bytes) -> Promoted:
    """A promotion from the file's bytes. Raises ValueError."""
    told: Any = json.loads(raw) if len(raw) <= LARGEST_BYTES else None
    if not isinstance(told, dict) or told.keys() - {"number", ALL, "surveys", SHADOW}:
        raise ValueError("it is none of ours")
    number, surveys = told.get("number"), told.get("surveys", {})
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**53:
        raise ValueError("it has no number")
    if not isinstance(surveys, dict) or surveys.keys() - set(SURVEYS):
        raise ValueError(f"its surveys are others than {', '.join(SURVEYS)}")
    everything, shadow = (Named.of(told[role]) if told.get(role) is not None else None for role in (ALL, SHADOW))
    return Promoted(number, everything, {name: Named.of(one) for name, one in surveys.items()}, shadow)


def promote(folder: Path, role: str, one: Named | None) -> Promoted:
    """Promote an artefact for a role, or withdraw it; what is promoted then. Raises StartupError."""
    with locked(folder):
        after = read_promoted(folder).with_one(role, one)
        told: dict[str, Any] = {"number": after.number}
        told |= {role: of.told() for role, of in ((ALL, after.everything), (SHADOW, after.shadow)) if of}
        told["surveys"] = {survey: of.told() for survey, of in after.surveys.items()}
        beside = folder / f".{FILE}.part"
        with beside.open("w") as file:
            file.write(json.dumps(told, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(folder / FILE)
    return after


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One promotion at a time. Raises StartupError where the folder cannot be written."""
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartupError(f"{folder} is no folder ({error.strerror}); set MISWEEPER_CLASSIFIER__MODELS") from error
    try:
        fcntl.flock(at, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise StartupError(f"{folder} cannot be written ({error.strerror}); look at its rights") from error
    finally:
        os.close(at)
