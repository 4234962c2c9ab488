"""The runbook tells the truth of today: its commands, metrics, variables, reasons and log lines exist."""

import re
from pathlib import Path

import pytest

from broker.accounts.ledger import DEFECTS
from broker.accounts.routes import DEFECTS as ROUTES
from broker.commands.main import app
from broker.config import variables
from broker.errors import Reason
from broker.metrics import Metrics
from tests.unit.test_readme import commands

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "deploy" / "runbook.md").read_text()
SOURCE = "\n".join(file.read_text() for file in (ROOT / "broker").rglob("*.py"))
COMMANDS = re.findall(r"(?:^|`)misweeper +([a-z-]+)([^`#\n]*)", RUNBOOK, re.MULTILINE)


@pytest.mark.parametrize(("name", "rest"), sorted(set(COMMANDS)))
def test_every_command_exists_with_its_options(name, rest):
    command = commands(app)[name]
    if hasattr(command, "commands"):
        command = command.commands[rest.split()[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= known


def test_every_metric_exists():
    families = [family for family in Metrics().registry.collect() if family.name.startswith("misweeper")]
    known = {name for family in families for name in (family.name, f"{family.name}_total")}
    assert set(re.findall(r"`(misweeper_[a-z_]+)", RUNBOOK)) - {"misweeper_replay_of"} <= known


def test_every_variable_exists():
    assert set(re.findall(r"MISWEEPER_[A-Z_]+[A-Z]", RUNBOOK)) <= set(variables())


def test_every_log_line_exists():
    lines = re.findall(r"log lines? `([^`]+)`", RUNBOOK)
    assert len(lines) > 3
    assert [line for line in lines if f'"{line}"' not in SOURCE] == []


def test_every_reason_and_every_defect_has_its_line():
    assert set(Reason) <= set(re.findall(r"`([a-z_]+)`", RUNBOOK))
    routes = {part.strip() for name in ROUTES for part in name.split("{}") if part}
    assert {"gap", *DEFECTS, *routes} <= set(re.findall(r"`([a-z ]+)`", RUNBOOK))
