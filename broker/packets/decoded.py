"""What became of a batch's messages: alerts, declined ones and poisons; and the packets themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.surveys.adapted import Poisons
from model.alerts import Alerts
from schemas.catalogue import Schema


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of a batch's messages, as bytes: what an output passes through."""

    schemas: Sequence[Schema]  # writers' schemas
    surveys: Sequence[str]  # of each schema
    which: NDArray[np.int64]  # [n messages] the schema of each, -1 where there is none
    bodies: Sequence[bytes]  # [n messages] the body of each, b"" where there is none


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch's messages by their fates: each is an alert, declined or poison."""

    alerts: Alerts
    declined: NDArray[np.int64]  # messages that have no light curve to add to: of the solar system, or withdrawn
    poisons: Poisons
    packets: Packets
