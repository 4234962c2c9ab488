"""What needs no torch does not import it: torch takes seconds, and hundreds of megabytes. Nor archives Kafka."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELP = """
import sys
import typer
from typer.testing import CliRunner
from broker.commands.main import app

def names(command, before=()):
    yield before
    for name, one in getattr(command, "commands", {}).items():
        yield from names(one, (*before, name))

for words in names(typer.main.get_command(app)):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, (words, done.output)
    print(*words, "torch" in sys.modules)
done = CliRunner().invoke(app, ["check", "--list"])
assert "MISWEEPER_REDIS__URL" in done.output
print("list", "torch" in sys.modules)
"""
MODULES = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(f"broker.commands.{name}")
    print(name, "torch" in sys.modules)
"""


def lines(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_commands_help_and_no_list_of_settings_imports_torch():
    told = lines(HELP)
    assert len(told) > 10
    assert [line for line in told if not line.endswith("False")] == []


def test_no_file_of_the_commands_imports_torch():
    """So `check` has said all of Redis and Kafka before the artefact, which takes it; `run` and `demo`'s service do."""
    files = sorted(path.stem for path in (ROOT / "broker" / "commands").glob("[a-z]*.py"))
    assert {line for line in lines(MODULES, *files) if not line.endswith("False")} == set()


def test_archives_import_neither_kafkas_client_nor_rediss():
    code = (
        "import sys, broker.archives.classified, broker.archives.work, broker.archives.parts; "
        "print({'confluent_kafka', 'redis', 'hiredis'} & set(sys.modules))"
    )
    assert lines(code) == ["set()"]
