"""An artefact: weights and all that goes with them, in one directory of two files that mean something only together.

`weights.safetensors` holds the tensors: the network with its scaler, and the anomaly constants. `artefact.json` holds
the rest: columns, classes, sizes, temperature, class frequencies, the threshold of the anomaly flag, the digest of the
weights, and the record of where it all came from. MODEL_CARD.md is for people. No pickle: loading runs no code.
Scaler and constants are saved, never fitted again on the data to classify (old bug 4), and columns are compared by
name and place (old bug 2).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from model.anomaly import AnomalyConstants
from model.features import INPUTS, STATISTICS
from model.network import LightCurveLSTM, NetworkConfig
from model.taxonomy import CLASS_IDS

FORMAT = 2
WEIGHTS, MANIFEST, CARD = "weights.safetensors", "artefact.json", "MODEL_CARD.md"
DEFAULT = Path(__file__).parent / "artefacts" / "default"


class ArtefactError(ValueError):
    """An artefact cannot be used; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """All that classifying needs, and where it came from."""

    name: str
    digest: str  # sha256 in hex over both files; empty before it is saved
    network: LightCurveLSTM  # in evaluation mode
    temperature: float
    class_frequencies: Tensor  # [14], sum to 1: how often each class occurs in the training part
    anomaly: AnomalyConstants
    record: Mapping[str, Any]  # recipe, seed, split, data digest, metrics


def save(folder: Path, artefact: Artefact) -> Artefact:
    """Write an artefact and read it back, so that what is returned is what is on the disk, with its digest.

    Raises:
        ArtefactError: a value is not finite, or the record is no JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network, anomaly = artefact.network, artefact.anomaly
    tensors = {f"network.{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    tensors |= {"anomaly.projection": anomaly.projection, "anomaly.prototypes": anomaly.prototypes}
    weights = safetensors.torch.save(tensors)
    manifest = {
        "format": FORMAT,
        "name": artefact.name,
        "weights_sha256": sha256(weights).hexdigest(),
        "classes": CLASS_IDS,
        "inputs": INPUTS,
        "statistics": STATISTICS,
        "network": asdict(network.config),
        "temperature": artefact.temperature,
        "class_frequencies": [round(float(f), 8) for f in artefact.class_frequencies],
        "anomaly": {"threshold": anomaly.threshold, "false_alarm_rate": anomaly.false_alarm_rate},
        "record": dict(artefact.record),
    }
    try:
        text = json.dumps(manifest, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArtefactError(
            f"the artefact cannot be written ({error}); look at its record for NaN or objects"
        ) from error
    (folder / WEIGHTS).write_bytes(weights)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return load(folder)


def load(folder: Path) -> Artefact:
    """Read an artefact.

    Raises:
        ArtefactError: a file is missing or damaged, the two do not belong together, or this code's columns, classes or
            network are others than the artefact's.
    """
    manifest_bytes, weights = read(folder / MANIFEST), read(folder / WEIGHTS)
    manifest = parse(manifest_bytes, folder)
    if sha256(weights).hexdigest() != manifest["weights_sha256"]:
        raise ArtefactError(f"{folder / WEIGHTS} is damaged or of another artefact; copy both files again")
    try:
        tensors = safetensors.torch.load(weights)
        network = LightCurveLSTM(NetworkConfig(**manifest["network"]))
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
        constants = AnomalyConstants(
            tensors["anomaly.projection"], tensors["anomaly.prototypes"], **manifest["anomaly"]
        )
    except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ArtefactError(f"{folder} was made by another version of misweeper ({reason}); train it again") from error
    if not all(t.isfinite().all() for t in tensors.values()):
        raise ArtefactError(f"{folder / WEIGHTS} holds weights that are not finite; train it again")
    network.eval().requires_grad_(requires_grad=False)
    return Artefact(
        name=manifest["name"],
        digest=sha256(manifest_bytes + weights).hexdigest(),
        network=network,
        temperature=float(manifest["temperature"]),
        class_frequencies=torch.tensor(manifest["class_frequencies"], dtype=torch.float32),
        anomaly=constants,
        record=manifest["record"],
    )


def read(path: Path) -> bytes:
    """A file's bytes. Raises ArtefactError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error.strerror}); name an artefact's directory, or make one: misweeper-train fit"
        ) from error


def parse(manifest_bytes: bytes, folder: Path) -> dict[str, Any]:
    """The manifest, checked. Raises ArtefactError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(manifest_bytes)
    except ValueError as error:
        raise ArtefactError(f"{path} is no JSON ({error}); copy the artefact again") from error
    kinds: dict[str, type | tuple[type, ...]] = {
        "format": int, "name": str, "weights_sha256": str, "classes": list, "inputs": list, "statistics": list,
        "network": dict, "temperature": (int, float), "class_frequencies": list, "anomaly": dict, "record": dict,
    }  # fmt: skip
    if not isinstance(manifest, dict):
        raise ArtefactError(f"{path} is no artefact's manifest; copy the artefact again")
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            raise ArtefactError(f"{path} has no usable {key!r}; copy the artefact again, or train it again")
    if manifest["format"] != FORMAT:
        raise ArtefactError(f"{path} has format {manifest['format']}, this misweeper reads {FORMAT}; train it again")
    for key, ours in (("classes", CLASS_IDS), ("inputs", INPUTS), ("statistics", STATISTICS)):
        if difference := first_difference(manifest[key], ours):
            raise ArtefactError(f"{path}: its {key} are others than this misweeper's ({difference}); train it again")
    temperature, frequencies = manifest["temperature"], manifest["class_frequencies"]
    if not (math.isfinite(temperature) and temperature > 0):
        raise ArtefactError(f"{path}: the temperature is {temperature}, it must be above 0; train it again")
    if len(frequencies) != len(CLASS_IDS) or not all(isinstance(f, float) and f > 0 for f in frequencies):
        raise ArtefactError(f"{path}: class_frequencies must be {len(CLASS_IDS)} numbers above 0; train it again")
    return manifest


def first_difference(theirs: list[Any], ours: tuple[Any, ...]) -> str:
    """Where two lists of columns differ first, in words; empty where they are the same."""
    for i in range(max(len(theirs), len(ours))):
        pair = [str(names[i]) if i < len(names) else "nothing" for names in (theirs, ours)]
        if i >= len(theirs) or i >= len(ours) or theirs[i] != ours[i]:
            return f"at place {i} it has {pair[0]}, we have {pair[1]}"
    return ""
