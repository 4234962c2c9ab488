"""What a survey makes of its packets: alerts, objects without a light curve, and packets that cannot be."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage
from model.alerts import Alerts

Poisons = dict[int, PoisonMessage]  # by message of the batch


@dataclass(frozen=True, slots=True)
class Adapted:
    """The fates of some packets: each is in one of the three; and how much of their histories is no observation."""

    alerts: Alerts
    declined: NDArray[np.int64]  # messages that have no light curve to add to: of the solar system, or withdrawn
    poisons: Poisons
    left_out: int = 0  # rows of histories that cannot be: without flux, error, time or band, or out of all bounds
