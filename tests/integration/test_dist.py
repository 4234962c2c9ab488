"""What `make dist` makes installs and runs outside the checkout, and the image's way of starting it works."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.deployed import DEPLOY, ROOT, image_environment, tool

# As the lock has them: only we ourselves are installed anew.
DEPENDENCIES = os.pathsep.join(folder for folder in sys.path if folder.endswith("site-packages"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with the wheel, which is built from the sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = ["make", "-o", ".venv/.ready", f"BIN={tool('')}", f"DIST={folder}", "dist"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory):
    """The folder of programs of an environment that has the wheel."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (wheel,) = dist.glob("*.whl")
    install = [
        tool("uv"),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--offline",
        "--python",
        home / "bin" / "python",
        wheel,
    ]
    subprocess.run(install, check=True)
    return home / "bin"


def ran(cwd: Path, *command: str | Path, **environment: str) -> str:
    """What a program prints that sees the dependencies, and nothing of the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MISWEEPER_", "NUMBA_"))}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        env=kept | {"PYTHONPATH": DEPENDENCIES, "OMP_NUM_THREADS": "1"} | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_the_wheel_has_what_classifies_and_nothing_of_developers(dist):
    (wheel,) = dist.glob("*.whl")
    names = ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"broker", "model", "schemas", "training"}
    artefact = {file.name for file in (ROOT / "model" / "artefacts" / "default").iterdir()}
    assert {f"model/artefacts/default/{name}" for name in artefact} <= set(names)
    assert "broker/examples/plasticc_heldout.parquet" in names
    assert any(re.fullmatch(r"[^/]+\.dist-info/licenses/LICENSE", name) for name in names)
    assert [name for name in names if "comparison/reports" in name or "__pycache__" in name] == []


def test_the_sdist_is_the_tree_without_what_git_ignores(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = git("ls-files", "-z").split("\0")
    assert {name for name in tracked if name and (ROOT / name).is_file()} - names == set()
    assert git("check-ignore", "--stdin", told="\n".join(names)) == ""


def git(*command: str, told: str | None = None) -> str:
    done = subprocess.run(["git", *command], cwd=ROOT, check=False, capture_output=True, text=True, input=told)
    assert done.returncode <= 1, done.stderr  # 1: nothing is ignored
    return done.stdout


def test_it_runs_outside_the_checkout(installed, tmp_path):
    where = (
        "import broker, model, schemas, training; print(*{m.__path__[0] for m in (broker, model, schemas, training)})"
    )
    assert str(ROOT) not in ran(tmp_path, installed / "python", "-c", where)
    assert ran(tmp_path, installed / "misweeper", "--version").startswith("misweeper ")
    assert "MISWEEPER_KAFKA__TOPICS=alerts" in ran(tmp_path, installed / "misweeper", "check", "--list")
    assert "fetch" in ran(tmp_path, installed / "misweeper-train", "--help")


def test_an_image_built_and_started_like_this_compiles_nothing_more(installed, tmp_path):
    """As the Dockerfile does: what is installed fills the cache, and the entrypoint copies it to where one writes."""
    (command,) = re.findall(r"bin/python (-P -m broker\.rehearsal)", (DEPLOY / "Dockerfile").read_text())
    rehearsal = [installed / "python", *command.split()]
    built, copy = tmp_path / "built", tmp_path / "copy"
    ran(ROOT, *rehearsal, NUMBA_CACHE_DIR=str(built))  # from the checkout, as the image is: it is not what is imported
    assert {"NUMBA_BUILT_DIR", "NUMBA_CACHE_DIR"} <= set(image_environment())
    started = {
        "PATH": f"{installed}:{os.environ['PATH']}",
        "NUMBA_BUILT_DIR": str(built),
        "NUMBA_CACHE_DIR": str(copy),
    }
    for _ in range(2):  # and once more in the same place, as after a restart
        assert ran(tmp_path, DEPLOY / "entrypoint.sh", "--version", **started).startswith("misweeper ")
        assert set(files(copy)) == set(files(built))
    before = files(copy)
    assert before
    ran(tmp_path, *rehearsal, NUMBA_CACHE_DIR=str(copy))
    assert files(copy) == before
