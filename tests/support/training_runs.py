"""The command line of training on data and by recipes that take no time."""

import json
import tomllib
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from tests.support.plasticc import tables
from training import cli, recipe
from training.comparison import paper
from training.fetch import TRAIN_CURVES, TRAIN_METADATA

TINY = "[network]\nhidden = 8\nlayers = 1\nhead = 8\nembedding = 4\n[optimiser]\nepochs = 2\n[redshift]\nversions = 1"


def invoke(*arguments: object) -> Result:
    """`misweeper-train` with some arguments."""
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)


def training_data(folder: Path) -> Path:
    """The folder, with a tiny training set of two classes in Kaggle's form."""
    curves, metadata = tables(ids=tuple(range(1, 61)), each=6)
    metadata["target"] = [90, 42] * 30
    folder.mkdir()
    curves.to_csv(folder / TRAIN_CURVES, index=False)
    metadata.to_csv(folder / TRAIN_METADATA, index=False)
    return folder


def tiny_recipes(folder: Path) -> Path:
    """The folder, with the recipe `tiny`, and the report's under their own names."""
    folder.mkdir()
    (folder / "tiny.toml").write_text(TINY)
    for name in paper.NAMES:
        real = tomllib.loads((Path(recipe.__file__).parent / "recipes" / f"{name}.toml").read_text())
        small = {"epochs": 2, "hidden": 4, "head": [6], "head_dropout": [0.1]}
        lines = (f"{key} = {json.dumps(value)}" for key, value in (real | small).items())
        (folder / f"{name}.toml").write_text("\n".join(lines))
    return folder


def fitted(data: Path, runs: Path) -> Path:
    """The directory of an artefact of `tiny` and fold 1."""
    done = invoke("fit", "--recipe", "tiny", "--fold", 1, "--data", data, "--runs", runs)
    assert done.exit_code == 0, done.output
    return runs / "tiny-fold1" / "artefact"
