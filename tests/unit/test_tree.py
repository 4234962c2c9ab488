"""The tree keeps its own rules."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from schemas import catalogue

ROOT = Path(__file__).parents[2]
ROOMS = ("broker", "model", "schemas", "training")
LONGEST = 350

# In pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = ("/wo" + "rk/", "/ro" + "ot/", "/opt/wh" + "eels", "/Us" + "ers/", "/tmp/bash" + "_jobs")
REGISTRY_HOSTS = (
    "pypi" + ".org",
    "python" + "hosted",
    "maven" + ".org",
    "maven" + ".apache",
    "npm" + "js",
    "crates" + ".io",
)


def tracked_files() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_no_file_is_longer_than_350_lines():
    lengths = {f: len(f.read_text().splitlines()) for f in tracked_files() if f.suffix == ".py"}
    assert {str(f.relative_to(ROOT)): n for f, n in lengths.items() if n > LONGEST} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_init_is_a_docstring_and_nothing_else(room):
    body = ast.parse((ROOT / room / "__init__.py").read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    assert isinstance(body[0].value.value, str)


def test_importing_the_broker_starts_nothing():
    loaded = "len({'confluent_kafka', 'redis'} & set(sys.modules))"
    code = f"import threading, sys, broker; print(threading.active_count(), {loaded})"
    assert python(code).split() == ["1", "0"]


def test_importing_the_model_does_not_import_torch():
    assert python("import sys, model, model.features; print('torch' in sys.modules)").strip() == "False"


def test_no_dependency_ships_our_names():
    shippers = importlib.metadata.packages_distributions()
    assert {room: set(shippers.get(room, [])) - {"misweeper"} for room in ROOMS} == {room: set() for room in ROOMS}


def test_no_machine_and_no_registry_is_named():
    # A path begins where no longer word ends: "framework/" is none.
    pattern = re.compile("|".join([rf"(?<![\w.]){p}" for p in MACHINE_PATHS] + [re.escape(h) for h in REGISTRY_HOSTS]))
    found = {}
    for file in tracked_files():
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue  # weights, light curves
        if match := pattern.search(text):
            found[str(file.relative_to(ROOT))] = match.group()
    assert found == {}


def test_the_import_contracts_are_kept():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_schema_parses_and_documents_every_field():
    files = sorted((ROOT / "schemas").glob("*.avsc"))
    assert files
    for file in files:
        name, version = file.stem.split(".")
        schema = catalogue.load(name, int(version))
        assert all(field.get("doc") for field in schema["fields"]), file.name


def test_the_lock_names_no_place_and_hashes_everything():
    for name in ("requirements.lock", "installer.lock"):
        text = (ROOT / "deploy" / name).read_text()
        assert "://" not in text
        assert "--find-links" not in text
        pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?(==| @ )", text, re.MULTILINE)
        assert pins
        assert set(pins) == {"=="}
        assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:])


def test_the_lock_holds_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.match(r"[\w.-]+", d).group().lower().replace("_", "-") for d in wanted}
    locked = re.findall(r"^([a-z0-9][\w.-]*)", (ROOT / "deploy" / "requirements.lock").read_text(), re.MULTILINE)
    assert names - set(locked) == set()
