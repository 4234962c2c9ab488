"""A run's folder: checkpoints from which it goes on after a kill, and its log.

log.csv holds a row an epoch, progress.json where the run stands, checkpoint-0 and -1 the tensors in turn. The JSON
names its checkpoint and comes last, by renaming, so that a kill at any moment leaves a whole one behind.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass
class Progress:
    """Where a run stands; what a checkpoint's JSON holds."""

    epoch: int = 0  # whole epochs done
    best_epoch: int = 0
    best_score: float = math.inf
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)  # what the run was begun with


def save(folder: Path, networks: Mapping[str, nn.Module], optimiser: Optimizer, progress: Progress) -> None:
    """Write a checkpoint of networks by name, and the log."""
    tensors = {f"{name}.{k}": v for name, network in networks.items() for k, v in network.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v.clone() for k, v in moments.items()}
    file = f"checkpoint-{progress.epoch % 2}.safetensors"
    save_file(tensors, folder / file)
    (folder / "progress.tmp").write_text(json.dumps(vars(progress) | {"checkpoint": file}))
    (folder / "progress.tmp").replace(folder / "progress.json")
    with (folder / "log.csv").open("w", newline="") as log:
        writer = csv.DictWriter(log, progress.history[0])
        writer.writeheader()
        writer.writerows(progress.history)


def resume(folder: Path, networks: Mapping[str, nn.Module], optimiser: Optimizer) -> Progress:
    """Take up a folder's checkpoint, if it has one."""
    path = folder / "progress.json"
    if not path.exists():
        return Progress()
    kept = json.loads(path.read_text())
    tensors = load_file(folder / kept.pop("checkpoint"))
    for name, network in networks.items():
        own = f"{name}."
        network.load_state_dict({k.removeprefix(own): v for k, v in tensors.items() if k.startswith(own)})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, i, name = key.split(".")
            moments.setdefault(int(i), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    return Progress(**kept)
