"""Classify: runs of observations in, verdicts and states out.

Law 5: batching changes nothing. Every run is computed by itself; companions, order and padding change its verdicts by
rounding alone (1e-5). Law 2: a run that goes on from a state gives what the whole curve gives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from model.anomaly import p99, score
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.features import CARRY_SIZE, contexts, encode, pad, start_carry
from model.observation import OBSERVATION, Context

MOST_OBSERVATIONS = 65_536  # padded, in one pass through the network: bounds its memory to some 200 MB
SHORT = 4  # observations: curves up to this go together, as one more pass costs more than the padding


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


@dataclass(frozen=True, slots=True)
class Run:
    """Observations of one object to classify after."""

    state: bytes | None  # of the observations before, from an earlier Outcome; None: these are the first
    observations: NDArray[np.void]  # [n], n >= 1, of dtype OBSERVATION, in time order
    context: Context
    readouts: tuple[int, ...]  # after which of the n observations a verdict is wanted


class Verdict(NamedTuple):
    """What the classifier says after one observation."""

    probabilities: NDArray[np.float32]  # [14], in the order of the taxonomy, sums to 1
    p99: float
    anomaly_score: float
    anomaly: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    verdicts: Sequence[Verdict]  # one a readout
    state: bytes  # after the last observation


class Classifier:
    """An artefact at work on a device.

    Args:
        artefact: what to classify with.
        device: auto takes a GPU where there is one; cuda insists on it.
        priors: the class frequencies that the probabilities assume.
        threads: of the CPU; None leaves torch's default.

    Raises:
        DeviceError: cuda was asked for and there is none; never a silent CPU.
    """

    def __init__(
        self,
        artefact: Artefact,
        *,
        device: Literal["auto", "cuda", "cpu"] = "auto",
        priors: Literal["balanced", "natural"] = "balanced",
        threads: int | None = None,
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "device is cuda but torch finds no GPU; install a driver that fits, or choose auto or cpu"
            )
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        self.name = artefact.name
        self.digest = artefact.digest
        self._network = artefact.network.to(self.device).eval()
        self._temperature = artefact.temperature
        self._anomaly = artefact.anomaly.to(self.device)
        ratio = natural_prior_log_ratio(artefact.class_frequencies).to(self.device)
        self._prior_log_ratio = ratio if priors == "natural" else None

    @property
    def anomaly_threshold(self) -> float:
        """Scores above it are flagged."""
        return self._anomaly.threshold

    @property
    def state_bytes(self) -> int:
        """Size of a state: the features' carry as float64, then the network's state as float32, little-endian."""
        return 8 * CARRY_SIZE + 4 * self._network.state_size

    def classify(self, runs: Sequence[Run]) -> list[Outcome]:
        """One outcome a run. Raises ValueError for a state of another size."""
        outcomes: dict[int, Outcome] = {}
        order = sorted(range(len(runs)), key=lambda i: len(runs[i].observations))
        for group in groups(order, [len(run.observations) for run in runs]):
            outcomes |= zip(group, self._classify([runs[i] for i in group]), strict=True)
        return [outcomes[i] for i in range(len(runs))]

    def warm_up(self) -> None:
        """Classify something, so that the first alert does not pay for what is done once."""
        observations = np.zeros(2, dtype=OBSERVATION)
        observations["flux_err_njy"], observations["mjd_tai"] = 1.0, (1.0, 2.0)
        self.classify([Run(None, observations, Context(), (0, 1)), Run(None, observations[:1], Context(), (0,))])

    @torch.inference_mode()
    def _classify(self, runs: Sequence[Run]) -> Iterator[Outcome]:
        observations, lengths = pad([run.observations for run in runs])
        carry, state = self._unpack([run.state for run in runs])
        encoded = encode(observations, lengths, contexts([run.context for run in runs]), carry)
        widest = max(len(run.readouts) for run in runs)
        readout = np.array([[*run.readouts, *[0] * (widest - len(run.readouts))] for run in runs], dtype=np.int64)
        at, inputs, statistics, states = (
            torch.from_numpy(a).to(self.device) for a in (readout, encoded.inputs, encoded.statistics, state)
        )
        output = self._network(inputs, statistics, torch.from_numpy(lengths).to(self.device), states, at)
        chances = probabilities(output.logits, self._temperature, self._prior_log_ratio)
        scores = score(output.features.flatten(0, 1), self._anomaly)
        flags = scores > self._anomaly.threshold
        chances_np = chances.cpu().numpy()
        p99_list = p99(chances).cpu().tolist()
        scores_list, flags_list = (v.reshape(readout.shape).cpu().tolist() for v in (scores, flags))
        packed = np.concatenate(
            [encoded.carry.astype("<f8").view(np.uint8), output.state.cpu().numpy().astype("<f4").view(np.uint8)],
            axis=1,
        )
        for i, run in enumerate(runs):
            verdicts = [
                Verdict(chances_np[i, r], p99_list[i][r], scores_list[i][r], flags_list[i][r])
                for r in range(len(run.readouts))
            ]
            yield Outcome(verdicts, packed[i].tobytes())

    def _unpack(self, states: Sequence[bytes | None]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Carries [B, CARRY_SIZE] and network states [B, state_size] of stored states; None is the start of a curve."""
        start = np.concatenate(
            [
                start_carry(1).astype("<f8").view(np.uint8)[0],
                self._network.start(1).cpu().numpy().astype("<f4").view(np.uint8)[0],
            ]
        ).tobytes()
        if wrong := [len(s) for s in states if s is not None and len(s) != len(start)]:
            raise ValueError(f"a state has {wrong[0]} bytes, this artefact's have {len(start)}")
        rows = np.frombuffer(b"".join(start if s is None else s for s in states), dtype=np.uint8)
        rows = rows.reshape(len(states), len(start))
        cut = 8 * CARRY_SIZE
        return (
            np.ascontiguousarray(rows[:, :cut]).view("<f8").astype(np.float64),
            np.ascontiguousarray(rows[:, cut:]).view("<f4").astype(np.float32),
        )


def groups(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Runs that go through the network together: short ones, then those of like length.

    Args:
        order: indices of runs by ascending length.
        lengths: of all runs.
    """
    group: list[int] = []
    for i in order:
        n = lengths[i]
        if group and (n > max(SHORT, 1.25 * lengths[group[0]]) or (len(group) + 1) * n > MOST_OBSERVATIONS):
            yield group
            group = []
        group.append(i)
    if group:
        yield group
