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

# Modules without a unit test of their own name, and which tests hold them instead.
HELD_BY = {
    "broker/accounts/aside.py": "integration/test_rebuild.py",
    "broker/accounts/reconcile.py": "integration/test_reconcile.py",
    "broker/accounts/resend.py": "integration/test_deadletters.py",
    "broker/archives/cluster.py": "integration/test_classify.py",
    "broker/assembly.py": "integration/test_service.py",
    "broker/commands/board.py": "unit/broker/commands/test_watch.py",
    "broker/commands/checkup.py": "integration/test_preflight.py",
    "broker/commands/deadletters.py": "integration/test_deadletters.py",
    "broker/commands/demo.py": "integration/test_demo.py",
    "broker/commands/demoservice.py": "integration/test_demo.py",
    "broker/commands/following.py": "integration/test_watch.py",
    "broker/commands/main.py": "integration/test_service.py",
    "broker/commands/report.py": "integration/test_web.py",
    "broker/commands/why.py": "integration/test_web.py",
    "broker/commands/sending.py": "integration/test_topics_and_replay.py",
    "broker/settings/complaints.py": "unit/broker/test_config.py",
    "broker/embedded/guard.py": "unit/broker/embedded/test_server.py",
    "broker/embedded/kafka.py": "integration/test_embedded.py",
    "broker/embedded/relock.py": "unit/broker/embedded/test_jars.py",  # what it writes is read there
    "broker/embedded/valkey.py": "integration/test_embedded.py",
    "broker/counts.py": "unit/broker/test_pipeline.py",
    "broker/errors.py": "unit/broker/test_pipeline.py",  # types alone: the fates are decided there
    "broker/interfaces.py": "unit/broker/test_pipeline.py",
    "broker/kafka/fresh.py": "integration/test_from_a_time.py",
    "broker/kafka/rights.py": "integration/test_preflight.py",
    "broker/kafka/sink.py": "integration/test_exactly_once.py",
    "broker/kafka/source.py": "integration/test_source.py",
    "broker/kafka/topics.py": "integration/test_topics_and_replay.py",
    "broker/lightcurves/effort.py": "unit/broker/lightcurves/test_memory.py",
    "broker/lightcurves/identity.py": "integration/test_lost_store.py",
    "broker/lightcurves/lookout.py": "integration/test_lookout.py",
    "broker/lightcurves/loss.py": "integration/test_lost_store.py",
    "broker/lightcurves/recollection.py": "unit/broker/lightcurves/test_memory.py",
    "broker/outputs/assumed.py": "unit/broker/outputs/test_messages.py",
    "broker/models/comparison.py": "integration/test_model_life.py",
    "broker/models/workshop.py": "integration/test_model_life.py",
    "broker/lightcurves/trips.py": "integration/test_prometheus.py",
    "broker/outputs/elasticc.py": "unit/broker/outputs/test_routes.py",
    "broker/outputs/frames.py": "unit/broker/outputs/test_routes.py",
    "broker/outputs/identities.py": "unit/broker/outputs/test_routes.py",
    "broker/outputs/passed_on.py": "unit/broker/outputs/test_routes.py",
    "broker/outputs/router.py": "unit/broker/outputs/test_routes.py",
    "broker/outputs/tails.py": "unit/broker/outputs/test_classification.py",
    "broker/outputs/template.py": "unit/broker/outputs/test_classification.py",
    "broker/settings/crossmatch.py": "unit/broker/surveys/test_crossmatch.py",
    "broker/settings/packets.py": "unit/broker/packets/test_formats.py",
    "broker/packets/compiler.py": "unit/broker/packets/test_projection.py",  # one decoder in six files
    "broker/packets/decoded.py": "unit/broker/packets/test_reader.py",
    "broker/surveys/fields.py": "unit/broker/packets/test_projection.py",
    "broker/packets/layouts.py": "unit/broker/packets/test_projection.py",
    "broker/packets/machine.py": "unit/broker/packets/test_projection.py",
    "broker/packets/shapes.py": "unit/broker/packets/test_projection.py",
    "broker/packets/slowly.py": "unit/broker/packets/test_projection.py",
    "broker/packets/tame.py": "unit/broker/packets/test_writers.py",
    "broker/packets/texts.py": "unit/broker/packets/test_projection.py",
    "broker/reckoning.py": "unit/broker/test_pipeline.py",
    "broker/replays/containers.py": "unit/broker/replays/test_ztf.py",
    "broker/replays/native.py": "unit/broker/commands/test_replay.py",
    "broker/replays/packet.py": "unit/broker/commands/test_tally.py",
    "broker/settings/routes.py": "unit/broker/test_config.py",
    "broker/settings/section.py": "unit/broker/test_config.py",
    "broker/surveys/adapted.py": "unit/broker/packets/test_reader.py",
    "broker/surveys/checks.py": "unit/broker/surveys/test_native.py",
    "broker/surveys/known.py": "unit/broker/packets/test_writers.py",
    "broker/names.py": "unit/broker/surveys/test_native.py",
    "broker/surveys/rows.py": "unit/broker/surveys/test_real_packets.py",
    "broker/trouble.py": "unit/broker/test_pipeline.py",
    "broker/web/census.py": "integration/test_web.py",
    "broker/web/crew.py": "unit/broker/web/test_rollcall.py",
    "broker/web/shapes.py": "unit/broker/web/test_views.py",
    "broker/work.py": "unit/broker/test_pipeline.py",
    "model/running.py": "unit/model/test_features.py",
    "model/runs.py": "unit/model/test_classifier.py",
    "training/answers.py": "unit/training/test_judge.py",
    "training/calibrate.py": "unit/training/test_fit.py",  # one artefact is trained for all of these
    "training/card.py": "unit/training/test_fit.py",
    "training/comparison/comparing.py": "unit/training/test_cli.py",
    "training/console.py": "unit/training/test_cli.py",
    "training/evaluate.py": "unit/training/test_fit.py",
    "training/evaluation.py": "unit/training/test_cli.py",
    "training/lines.py": "unit/training/test_files.py",
    "training/live.py": "unit/training/test_flags.py",
    "training/options.py": "unit/training/test_cli.py",
    "training/plots.py": "unit/training/test_fit.py",
    "training/said.py": "unit/training/test_judge.py",
    "training/sky_tables.py": "unit/training/test_judge.py",
    "training/tables.py": "unit/training/test_fit.py",
    "training/ztf.py": "unit/training/test_views.py",
}

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


def test_every_module_has_its_unit_test_or_is_held_by_another():
    modules = [f for room in ROOMS for f in (ROOT / room).rglob("*.py") if f.name != "__init__.py"]
    names = {m.relative_to(ROOT).as_posix(): m.relative_to(ROOT).with_name(f"test_{m.name}") for m in modules}
    without = {name for name, test in names.items() if not (ROOT / "tests" / "unit" / test).is_file()}
    assert without == set(HELD_BY)
    assert [test for test in HELD_BY.values() if not (ROOT / "tests" / test).is_file()] == []


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
    for name in ("requirements.lock", "service.lock", "installer.lock"):
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
