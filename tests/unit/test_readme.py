"""The README tells the truth of today: every command, file and make target it names exists."""

import re
from pathlib import Path

import pytest
import typer

from broker.commands.main import app as misweeper
from broker.config import variables
from broker.settings.complaints import ROUTES
from training.cli import app as misweeper_train

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^(?:\$ )?(misweeper(?:-train)?) +([a-z][a-z-]*)((?: +[^#\n]+)?)", README, flags=re.MULTILINE)


def commands(app: typer.Typer) -> dict[str, object]:
    return typer.main.get_command(app).commands


@pytest.mark.parametrize(("program", "name", "rest"), COMMANDS, ids=[" ".join(c[:2]) for c in COMMANDS])
def test_every_command_exists_with_its_options(program, name, rest):
    command = commands(misweeper if program == "misweeper" else misweeper_train)[name]
    if hasattr(command, "commands"):
        command = command.commands[rest.split()[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= known


def test_commands_were_found():
    assert {name for _, name, _ in COMMANDS} >= {"run", "check", "replay", "topics", "watch", "demo", "fetch", "fit"}


@pytest.mark.parametrize("app", [misweeper, misweeper_train])
def test_the_help_of_every_command_teaches_by_example(app):
    for name, command in commands(app).items():
        for one in getattr(command, "commands", {name: command}).values():
            assert "Example" in (one.help or ""), f"{one.name} has no example"


@pytest.mark.parametrize("target", re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README)) | set(re.findall(r"`(tests/[^`]+)`", README)))
)
def test_every_file_exists(link):
    assert link.startswith("http") or (ROOT / link).exists()


def test_every_variable_exists():
    named = set(re.findall(r"MISWEEPER_[A-Z_]+", README))
    assert {name for name in named if not name.startswith(ROUTES)} <= set(variables())
