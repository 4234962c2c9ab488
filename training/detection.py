"""What a survey calls a detection: a step in signal-to-noise, softened; now and then it is noise.

From S/N 3 up this is what PLAsTiCC's training set has. Below, where the set has next to none, it makes detections of
noise (0.9 % of observations at S/N 1 to 2), as artefacts and asteroids do in a real survey. A probit in ln S/N, which
follows the set everywhere, validated worse: WLL, mean of four cuts, 0.524 against 0.491 on fold 0 and 0.524 against
0.503 on fold 1, stopped at epoch 50. Perhaps a network that has seen false ones learns a first detection less by heart.
"""

import numpy as np
import torch
from numpy.typing import NDArray

HALF_SNR, SPREAD = 5.5, 1.7  # the probit; constants of the survey, from every observation of the training set
FEWEST = 2  # detections of an object, or it is none


def detection_chance(snr: NDArray[np.floating]) -> NDArray[np.float64]:
    """How often an observation of signal-to-noise [...], of either sign, is a detection."""
    size = torch.as_tensor(snr, dtype=torch.float64).abs()
    return np.asarray(torch.special.ndtr((size - HALF_SNR) / SPREAD))
