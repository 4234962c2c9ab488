"""A small artefact with untrained weights, and the shipped one with others."""

from dataclasses import replace
from pathlib import Path

import torch

from model.anomaly import AnomalyConstants, everywhere
from model.artefact import DEFAULT, Artefact, load, save
from model.network import LightCurveLSTM, NetworkConfig
from model.taxonomy import CLASSES


def untrained(hidden: int = 8, temperature: float = 1.2) -> Artefact:
    """Random weights from a fixed seed, sizes that compute at once."""
    torch.manual_seed(1)
    network = LightCurveLSTM(NetworkConfig(hidden=hidden, layers=2, head=16, embedding=8)).eval()
    return Artefact(
        name="untrained",
        digest="",
        network=network,
        temperature=temperature,
        class_frequencies=torch.full((len(CLASSES),), 1 / len(CLASSES)),
        anomaly=AnomalyConstants(
            torch.eye(network.features, 8), torch.zeros(len(CLASSES), 8), everywhere(3.0), false_alarm_rate=0.01
        ),
        record={"recipe": "none"},
    )


def like_shipped(folder: Path, name: str, noise: float = 0.0, seed: int = 1) -> Artefact:
    """The shipped artefact under another name, its weights a little changed, saved by the project's own writer."""
    artefact = load(DEFAULT)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in artefact.network.parameters():
            values.add_(noise * values.abs().mean() * torch.randn(values.shape, generator=generator))
    return save(folder, replace(artefact, name=name))
