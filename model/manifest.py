"""What an artefact's `artefact.json` says, checked: whatever it holds is usable, or refused in one sentence.

Each number has bounds, wider than any that training gives, within which nothing that the classifier computes from
finite observations overflows, and no size asks for more memory than the weights beside it take.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import torch
from torch import Tensor

from model import anomaly
from model.features import INPUTS, STATISTICS
from model.network import NetworkConfig
from model.taxonomy import CLASS_IDS

FORMAT = 3
BEFORE = 2  # is read too: it has one threshold in place of the table
LONGEST_NAME = 256  # letters
LEAST_FREQUENCY = 1e-9
SIZES: dict[str, tuple[float, float]] = {  # of the network: the least and the most
    "inputs": (len(INPUTS), len(INPUTS)),
    "statistics": (len(STATISTICS), len(STATISTICS)),
    "hidden": (2, 4096),
    "layers": (1, 8),
    "head": (1, 8192),
    "embedding": (1, 8192),
}
SHARES: dict[str, tuple[float, float]] = {"dropout": (0, 1), "head_dropout": (0, 1)}
THRESHOLD = (0.0, 1e6)
TEMPERATURE = (0.01, 100.0)


class ArtefactError(ValueError):
    """An artefact cannot be used; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that stands in `artefact.json`, but for the columns, which are as in this code."""

    name: str
    weights_sha256: str
    network: NetworkConfig
    temperature: float
    class_frequencies: tuple[float, ...]  # [14], sum to 1
    thresholds: Tensor  # of shape anomaly.TABLE: of the anomaly flag
    false_alarm_rate: float
    record: Mapping[str, Any]


def parse(raw: bytes, path: Path) -> Manifest:
    """A manifest from a file's bytes.

    Raises:
        ArtefactError: it is no JSON or none of an artefact, of another format, has other columns or classes than this
            code, or a value that cannot be.
    """
    try:
        found = json.loads(raw)
    except RecursionError as error:
        raise ArtefactError(f"{path} is nested too deeply; copy the artefact again") from error
    except ValueError as error:
        raise ArtefactError(f"{path} is no JSON ({error}); copy the artefact again") from error
    if not isinstance(found, dict):
        raise ArtefactError(f"{path} is no artefact's manifest; copy the artefact again")
    kinds: dict[str, type] = {
        "format": int, "name": str, "weights_sha256": str, "classes": list, "inputs": list, "statistics": list,
        "network": dict, "class_frequencies": list, "anomaly": dict, "record": dict,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(found.get(key), kind):
            raise ArtefactError(f"{path} has no usable {key!r}; copy the artefact again, or train it again")
    if found["format"] not in (BEFORE, FORMAT):
        raise ArtefactError(
            f"{path} has format {shortened(found['format'])}, this misweeper reads {FORMAT}; train it again"
        )
    for key, ours in (("classes", CLASS_IDS), ("inputs", INPUTS), ("statistics", STATISTICS)):
        if difference := first_difference(found[key], ours):
            raise ArtefactError(f"{path}: its {key} are others than this misweeper's ({difference}); train it again")
    name = found["name"]
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise ArtefactError(
            f"{path}: the name is {shortened(name)}, it must be 1 to {LONGEST_NAME} letters that can be printed; "
            "train it again"
        )
    thresholds, rate = flag(found["anomaly"], path, old=found["format"] == BEFORE)
    return Manifest(
        name=name,
        weights_sha256=found["weights_sha256"],
        network=network(found["network"], path),
        temperature=number(found.get("temperature"), TEMPERATURE, f"{path}: the temperature"),
        class_frequencies=frequencies(found["class_frequencies"], path),
        thresholds=thresholds,
        false_alarm_rate=rate,
        record=found["record"],
    )


def flag(found: dict[str, Any], path: Path, *, old: bool) -> tuple[Tensor, float]:
    """The anomaly flag's thresholds and false alarm rate. Raises ArtefactError."""
    what = f"{path}: the anomaly flag's"
    if old:
        one = numbers(found, {"threshold": THRESHOLD, "false_alarm_rate": (0, 1)}, what)
        return anomaly.everywhere(one["threshold"]), one["false_alarm_rate"]
    bins = {"detections": anomaly.DETECTIONS, "days": anomaly.DAYS}
    if strange := sorted(found.keys() ^ {*bins, "thresholds", "false_alarm_rate"}):
        raise ArtefactError(f"{what} values have {shortened(strange[0])} too many or too few; train it again")
    for name, ours in bins.items():
        if found[name] != list(ours):
            raise ArtefactError(
                f"{what} {name} are {shortened(found[name])}, they must be {list(ours)}; train it again"
            )
    values = found["thresholds"]
    size = math.prod(anomaly.TABLE)
    if not isinstance(values, list) or len(values) != size:
        raise ArtefactError(f"{what} thresholds are not {size} numbers in a list; train it again")
    checked = [number(value, THRESHOLD, f"{what} thresholds: one") for value in values]
    rate = number(found["false_alarm_rate"], (0, 1), f"{what} false_alarm_rate")
    return torch.tensor(checked).reshape(anomaly.TABLE), rate


def network(found: dict[str, Any], path: Path) -> NetworkConfig:
    """The network's sizes. Raises ArtefactError."""
    what = f"{path}: the network's"
    if strange := sorted(found.keys() ^ {field.name for field in fields(NetworkConfig)}):
        raise ArtefactError(f"{what} sizes have {shortened(strange[0])} too many or too few; train it again")
    shares = numbers({name: found[name] for name in SHARES}, SHARES, what)
    sizes = numbers({name: found[name] for name in SIZES}, SIZES, what)
    for name, size in sizes.items():
        if size % (2 if name == "hidden" else 1):
            raise ArtefactError(
                f"{what} {name} is {size}, it must be a whole number, hidden an even one; train it again"
            )
    whole = {name: int(size) for name, size in sizes.items()}
    return NetworkConfig(**whole, dropout=shares["dropout"], head_dropout=shares["head_dropout"])


def frequencies(found: list[Any], path: Path) -> tuple[float, ...]:
    """The class frequencies [14]. Raises ArtefactError."""
    what = f"{path}: class_frequencies"
    if len(found) != len(CLASS_IDS):
        raise ArtefactError(f"{what} are {len(found)}, they must be {len(CLASS_IDS)}; train it again")
    checked = tuple(number(value, (LEAST_FREQUENCY, 1.0), f"{what}: one") for value in found)
    if abs(sum(checked) - 1) > 1e-3:
        raise ArtefactError(f"{what} sum to {sum(checked):g}, they must sum to 1; train it again")
    return checked


def numbers(found: dict[str, Any], bounds: dict[str, tuple[float, float]], what: str) -> dict[str, float]:
    """Some numbers by name, just those that have bounds. Raises ArtefactError."""
    if strange := sorted(found.keys() ^ bounds):
        raise ArtefactError(f"{what} values have {shortened(strange[0])} too many or too few; train it again")
    return {name: number(found[name], limits, f"{what} {name}") for name, limits in bounds.items()}


def number(value: object, limits: tuple[float, float], what: str) -> float:
    """A number within its bounds. Raises ArtefactError that names it."""
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ArtefactError(
            f"{what} is {shortened(value)}, it must be a number from {low:g} to {high:g}; "
            "copy the artefact again, or train it again"
        )
    return float(value)


def first_difference(theirs: list[Any], ours: tuple[Any, ...]) -> str:
    """Where two lists of columns differ first, in words; empty where they are the same."""
    for i in range(max(len(theirs), len(ours))):
        pair = [shortened(names[i]) if i < len(names) else "nothing" for names in (theirs, ours)]
        if i >= len(theirs) or i >= len(ours) or theirs[i] != ours[i]:
            return f"at place {i} it has {pair[0]}, we have {pair[1]}"
    return ""
