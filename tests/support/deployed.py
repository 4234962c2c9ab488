"""What stands in deploy/, read as those read it who run it."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from broker.commands.main import app
from broker.config import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PINNED = re.compile(r".+:v?\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?")  # an image's name, to its last number
BUILT_HERE = ("misweeper:cpu", "misweeper:cuda")


def tool(name: str) -> str:
    """A program that a Python package of the extra `test` brings."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def ran(*command: str) -> str:
    """What a program prints that must succeed."""
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def image_environment() -> dict[str, str]:
    """What the image itself sets: lines of ENV, joined where a backslash ends them."""
    text = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    return dict(part.split("=", 1) for part in line.split())


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The configuration that an environment makes. Raises StartupError, also of a variable that is none of ours."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MISWEEPER_")}
    ours = {name: value for name, value in environment.items() if name.startswith("MISWEEPER_")}
    with patch.dict(os.environ, others | ours, clear=True):
        return Settings.load()


def parsed(arguments: Sequence[str]) -> typer.Context:
    """A command line of misweeper's, understood and not run. Raises click's UsageError."""
    command = typer.main.get_command(app)
    names, rest = [], list(arguments)
    while hasattr(command, "commands"):
        names.append(rest.pop(0))
        command = command.commands[names[-1]]
    context: typer.Context = command.make_context(" ".join(names), rest)
    return context


def entries(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each pin of a lock with its version and its digests; a name that is pinned by markers stands there with each."""
    found = {}
    for entry in re.split(r"^(?=[a-z0-9])", (DEPLOY / lock).read_text(), flags=re.MULTILINE)[1:]:
        requirement = Requirement(entry.partition(" \\")[0])
        (version,) = requirement.specifier
        digests = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        found[f"{canonicalize_name(requirement.name)}=={version.version}"] = (version.version, digests)
    return found
