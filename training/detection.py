"""What PLAsTiCC calls a detection: a step in the logarithm of signal-to-noise, softened by what the simulation adds."""

import numpy as np
import torch
from numpy.typing import NDArray

# Maximum likelihood over every observation of the training set above S/N 0.3; constants of the survey, not of a class.
HALF_SNR, SPREAD, MOST = 5.37, 0.333, 0.994
FEWEST = 2  # detections of an object, or it is none


def detection_chance(snr: NDArray[np.floating]) -> NDArray[np.float64]:
    """How often an observation of signal-to-noise [...], of either sign, is a detection."""
    size = torch.as_tensor(snr, dtype=torch.float64).abs()
    return np.asarray(MOST * torch.special.ndtr((size / HALF_SNR).log() / SPREAD))
