"""Law 3: a state names the code that made it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHANGES = (
    ("running.py", "inputs[14] = change_any", "inputs[14] = change_any + 1e-5"),
    ("running.py", "max(host[DDF], 0.0)", "max(host[DDF], 1.0)"),
    ("running.py", "if snr > carry[PEAK_SNR]:", "if 2 * snr > carry[PEAK_SNR]:"),
    ("cosmology.py", "OMEGA_M = 0.3", "OMEGA_M = 0.31"),
    ("state.py", "LAYOUT = ", "LAYOUT = 1000 + "),
    ("flag.py", "RELEASE = ", "RELEASE = 0.5 * "),
    ("observation.py", '("band", "u1")', '("band", "u2")'),
    ("features.py", '("ddf", "i1")', '("ddf", "i2")'),
)
# One interpreter for all trees: numba takes longer to import than a fingerprint takes.
PRINT = """
import sys
for tree in sys.argv[1:]:
    for name in [n for n in sys.modules if n.partition(".")[0] == "model"]:
        del sys.modules[name]
    sys.path[0] = tree
    from model import fingerprint
    assert fingerprint.__file__.startswith(tree)
    print(fingerprint.of_code().hex())
"""


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:
    """Of each change, of the code as it is (), and of a copy of it elsewhere ("copy",); computed without compiling."""
    trees = {(): ROOT}
    for change in (("copy",), *CHANGES):
        trees[change] = tmp_path_factory.mktemp("tree")
        leave = shutil.ignore_patterns("__pycache__", "artefacts")
        shutil.copytree(ROOT / "model", trees[change] / "model", ignore=leave)
    for file, before, after in CHANGES:
        path = trees[file, before, after] / "model" / file
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after, 1))
    said = subprocess.run(
        [sys.executable, "-c", PRINT, *map(str, trees.values())],
        cwd=ROOT.parent,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(zip(trees, said.split(), strict=True))


@pytest.mark.parametrize(("file", "before", "after"), CHANGES)
def test_other_features_or_another_layout_are_another_fingerprint(fingerprints, file, before, after):
    assert fingerprints[file, before, after] != fingerprints[()]


def test_the_same_code_elsewhere_is_the_same_fingerprint(fingerprints):
    assert fingerprints["copy",] == fingerprints[()]
