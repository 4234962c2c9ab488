"""An artefact: weights and all that goes with them, in one directory of two files that mean something only together.

`weights.safetensors` holds the tensors: the network with its scaler, the anomaly constants, and what is usual of each
class. `artefact.json` holds
the rest: columns, classes, sizes, temperature, class frequencies, the thresholds of the anomaly flag, the digest of the
weights, and the record of where it all came from. MODEL_CARD.md is for people. No pickle: loading runs no code.
Scaler and constants are saved, never fitted again on the data to classify (old bug 4), and columns are compared by
name and place (old bug 2).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from model.anomaly import DAYS, DETECTIONS, AnomalyConstants
from model.features import INPUTS, STATISTICS
from model.manifest import FORMAT, ArtefactError, parse
from model.network import LightCurveLSTM, NetworkConfig
from model.seen import SHAPES, Seen
from model.taxonomy import CLASS_IDS

__all__ = ["CARD", "DEFAULT", "MANIFEST", "WEIGHTS", "Artefact", "ArtefactError", "load", "save"]

WEIGHTS, MANIFEST, CARD = "weights.safetensors", "artefact.json", "MODEL_CARD.md"
PREFIX, SEEN = "network.", "seen."  # of the network's tensors, and of what training has seen
LARGEST = 1e6  # of any weight: with it nothing overflows
LARGEST_BYTES = 2**30  # of a file
DEFAULT = Path(__file__).parent / "artefacts" / "default"


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
    seen: Seen | None = None  # what training has seen; not of artefacts from before that was kept


def save(folder: Path, artefact: Artefact) -> Artefact:
    """Write an artefact and read it back, so that what is returned is what is on the disk, with its digest.

    Raises:
        ArtefactError: a value is not finite, the record is no JSON, or the directory cannot be written.
    """
    network, anomaly = artefact.network, artefact.anomaly
    tensors = {PREFIX + k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    tensors |= {"anomaly.projection": anomaly.projection, "anomaly.prototypes": anomaly.prototypes}
    if artefact.seen:
        tensors |= {f"{SEEN}{name}": getattr(artefact.seen, name) for name in SHAPES}
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
        "anomaly": {
            "detections": DETECTIONS,
            "days": DAYS,
            "thresholds": [round(float(t), 4) for t in anomaly.thresholds.flatten()],
            "false_alarm_rate": anomaly.false_alarm_rate,
        },
        "record": dict(artefact.record),
    }
    try:
        text = json.dumps(manifest, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArtefactError(
            f"the artefact cannot be written ({error}); look at its record for NaN or objects"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((WEIGHTS, weights), (MANIFEST, text.encode())):
            (folder / f"{name}.partial").write_bytes(content)
        for name in (WEIGHTS, MANIFEST):
            (folder / f"{name}.partial").replace(folder / name)
    except OSError as error:
        raise ArtefactError(f"{folder} cannot be written ({error.strerror}); name another place") from error
    return load(folder)


def load(folder: Path) -> Artefact:
    """Read an artefact.

    Raises:
        ArtefactError: a file is missing or damaged, the two do not belong together, a value cannot be, or this code's
            columns, classes or network are others than the artefact's.
    """
    manifest_bytes, weights = read(folder / MANIFEST), read(folder / WEIGHTS)
    manifest = parse(manifest_bytes, folder / MANIFEST)
    if sha256(weights).hexdigest() != manifest.weights_sha256:
        raise ArtefactError(f"{folder / WEIGHTS} is damaged or of another artefact; copy both files again")
    try:
        tensors = safetensors.torch.load(weights)
        check(tensors, manifest.network)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ArtefactError(f"{folder / WEIGHTS} cannot be used ({reason}); train it again") from error
    network = LightCurveLSTM(manifest.network)
    network.load_state_dict({k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)})
    network.eval().requires_grad_(requires_grad=False)
    return Artefact(
        name=manifest.name,
        digest=sha256(manifest_bytes + weights).hexdigest(),
        network=network,
        temperature=manifest.temperature,
        class_frequencies=torch.tensor(manifest.class_frequencies, dtype=torch.float32),
        anomaly=AnomalyConstants(
            tensors["anomaly.projection"],
            tensors["anomaly.prototypes"],
            thresholds=manifest.thresholds,
            false_alarm_rate=manifest.false_alarm_rate,
        ),
        record=manifest.record,
        seen=Seen(**{name: tensors[SEEN + name] for name in SHAPES}) if f"{SEEN}means" in tensors else None,
    )


def check(tensors: Mapping[str, Tensor], config: NetworkConfig) -> None:
    """Raises ValueError where tensors are not those of a network of such sizes, or could overflow; takes no memory."""
    with torch.device("meta"):
        network = LightCurveLSTM(config)
    shapes = {PREFIX + name: list(value.shape) for name, value in network.state_dict().items()}
    projection, prototypes = (tensors[f"anomaly.{name}"] for name in ("projection", "prototypes"))
    directions = projection.shape[-1] if projection.ndim else 0
    shapes |= {
        "anomaly.projection": [network.features, directions],
        "anomaly.prototypes": [max(1, len(prototypes) if prototypes.ndim else 0), directions],
    }
    found = {name: list(value.shape) for name, value in tensors.items()}
    if any(name.startswith(SEEN) for name in found):
        shapes |= {SEEN + name: shape for name, shape in SHAPES.items()}
    for name in sorted(shapes.keys() | found):
        if found.get(name) != shapes.get(name):
            raise ValueError(f"{name} has the shape {found.get(name)}, {shapes.get(name)} is expected")
    for name, value in tensors.items():
        if value.dtype != torch.float32 or not bool((value.abs() <= LARGEST).all()):
            raise ValueError(f"{name} holds weights that are not finite, or no float32 up to {LARGEST:g}")
        if name.endswith(("_scale", f"{SEEN}deviations")) and not bool((value > 0).all()):
            raise ValueError(f"{name} holds a scale that is not above 0")


def read(path: Path) -> bytes:
    """A file's bytes. Raises ArtefactError."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise ArtefactError(f"{path} has {size} bytes, an artefact's files at most {LARGEST_BYTES}; copy it again")
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error.strerror}); name an artefact's directory, or make one: misweeper-train fit"
        ) from error
