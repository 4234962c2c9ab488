"""A small artefact with untrained weights."""

import torch

from model.anomaly import AnomalyConstants, everywhere
from model.artefact import Artefact
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
