"""Law 3: a state names the code that made it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def fingerprint(tree: Path) -> str:
    """Of the code in a tree, computed without compiling it."""
    code = "from model.fingerprint import of_code; print(of_code().hex())"
    settings = os.environ | {"PYTHONPATH": str(tree), "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=settings, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def unchanged() -> str:
    return fingerprint(ROOT)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("running.py", "inputs[14] = change_any", "inputs[14] = change_any + 1e-5"),
        ("running.py", "max(host[DDF], 0.0)", "max(host[DDF], 1.0)"),
        ("running.py", "if snr > carry[PEAK_SNR]:", "if 2 * snr > carry[PEAK_SNR]:"),
        ("cosmology.py", "OMEGA_M = 0.3", "OMEGA_M = 0.31"),
        ("state.py", "LAYOUT = ", "LAYOUT = 1000 + "),
        ("observation.py", '("band", "u1")', '("band", "u2")'),
        ("features.py", '("ddf", "i1")', '("ddf", "i2")'),
    ],
)
def test_other_features_or_another_layout_are_another_fingerprint(tmp_path, unchanged, file, before, after):
    shutil.copytree(ROOT / "model", tmp_path / "model", ignore=shutil.ignore_patterns("__pycache__", "artefacts"))
    path = tmp_path / "model" / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    assert fingerprint(tmp_path) != unchanged


def test_the_same_code_elsewhere_is_the_same_fingerprint(tmp_path, unchanged):
    shutil.copytree(ROOT / "model", tmp_path / "model", ignore=shutil.ignore_patterns("__pycache__", "artefacts"))
    assert fingerprint(tmp_path) == unchanged
