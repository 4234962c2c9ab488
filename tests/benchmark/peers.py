"""SuperNNova's `classify_lcs` beside ours: the same curves, alert by alert, in batches.

Theirs runs in an environment of its own, made on demand in the cache folder, on our torch: both use the same. Its
network is of its default size with weights that nobody trained, which take as long: none is published as a package.
Our figure is of what they do, remember and classify, with a real Valkey.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from broker.embedded import EmbeddedValkey
from broker.embedded.jars import cache_folder
from model.observation import BANDS, FLUXCAL_NJY
from tests.benchmark.figure import Figure
from tests.benchmark.progress import say
from tests.benchmark.sizes import Sizes
from tests.benchmark.stars import rows
from tests.benchmark.steady import PREFIX, taken
from tests.benchmark.way import Way

PACKAGE = "supernnova"
POINTS = 40
THEIRS = Path(__file__).with_name("supernnova_side.py")


def compared(sizes: Sizes) -> Iterator[Figure]:
    """Microseconds an alert of both, and how many times ours is faster; why not, where theirs cannot be had."""
    python = environment()
    if python is None:
        return
    folder = cache_folder() / "peers"
    curves(sizes.curves).to_parquet(folder / "curves.parquet")
    command = [str(python), str(THEIRS), str(folder / "curves.parquet"), str(POINTS), str(min(3, sizes.repeats))]
    say(f"SuperNNova: {sizes.curves} curves, observation by observation")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"SuperNNova's part is left out: it ended with\n{done.stderr[-1500:]}")
        return
    theirs_us = json.loads(done.stdout.splitlines()[-1])
    with EmbeddedValkey() as valkey:
        way = Way(valkey.url, PREFIX)
        passes = [
            [taken(way, f"p{n}-", range(sizes.curves), day).after_decode_us for day in range(POINTS)]
            for n in range(len(theirs_us))
        ]
        way.close()
    ours_us = [float(np.mean(one)) for one in passes]
    yield Figure.of("peers", f"SuperNNova classify_lcs, {POINTS} points", "us", theirs_us)
    yield Figure.of("peers", f"misweeper after decode, {POINTS} points", "us", ours_us)
    yield Figure.of("peers", "theirs over ours", "", [a / b for a, b in zip(theirs_us, ours_us, strict=True)])


def environment() -> Path | None:
    """The interpreter that has SuperNNova; None, and the reason on standard error, where it cannot be installed."""
    folder = cache_folder() / "peers" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if ready.exists():
        return python
    say(f"SuperNNova is installed into {folder}")
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), PACKAGE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            say(f"SuperNNova is left out: `{' '.join(command)}` ended with\n{(done.stderr or done.stdout)[-800:]}")
            return None
    # It asks for no torch. Ours comes after all that it did ask for.
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    library = next((folder / "lib").glob("python*/site-packages"))
    (library / "our_torch.pth").write_text(f"{ours}\n")
    ready.touch()
    return python


def curves(count: int) -> pd.DataFrame:
    """The light curves that ours are given, in SNANA's columns."""
    names, days = np.repeat(np.arange(count), POINTS), np.tile(np.arange(POINTS), count)
    observed = rows(names, days)
    return pd.DataFrame(
        {
            "SNID": names,
            "MJD": observed["mjd_tai"],
            "FLT": [BANDS[band] for band in observed["band"]],
            "FLUXCAL": observed["flux_njy"] / FLUXCAL_NJY,
            "FLUXCALERR": observed["flux_err_njy"] / FLUXCAL_NJY,
        }
    )
