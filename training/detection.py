"""What PLAsTiCC calls a detection: a step in signal-to-noise, softened by what the simulation adds to it."""

import numpy as np
import torch
from numpy.typing import NDArray

HALF_SNR, SPREAD = 5.5, 1.7  # half of the observations of that S/N are detections; by a probit fit to the training set
FEWEST = 2  # detections of an object, or it is none


def detection_chance(snr: NDArray[np.floating]) -> NDArray[np.float64]:
    """How often an observation of signal-to-noise [...], of either sign, is a detection."""
    wide = torch.from_numpy(np.abs(np.asarray(snr, dtype=np.float64)))
    return np.asarray(torch.special.ndtr((wide - HALF_SNR) / SPREAD))
