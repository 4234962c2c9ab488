"""Classify: runs of observations in, verdicts and states out.

Law 5: batching changes nothing. Every run is computed by itself; companions, order and padding change its verdicts by
rounding alone (1e-5). Law 2: a run that goes on from a state gives what the whole curve gives. Short runs go through
the network step by step, all at once; long ones in one go, padded to like lengths.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.anomaly import flagged, p99, score
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.features import follow, start_carry
from model.fingerprint import of_code, sample
from model.runs import Runs, Verdicts
from model.state import pack, state_bytes, unpack
from model.taxonomy import CLASSES

MOST_OBSERVATIONS = 65_536  # padded, in one pass through the network: bounds its memory to some 200 MB
FEW = 8  # observations: runs up to this are taken step by step


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


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
        self.priors = priors
        self._sizes = artefact.network.config.layers, artefact.network.config.hidden
        self.start_state = pack(start_carry(1), self._network.start(1).cpu().numpy(), *self._sizes)[0]
        self.fingerprint = sha256(artefact.digest.encode() + of_code()).digest()[:8]

    @property
    def state_bytes(self) -> int:
        """Size of a state."""
        return state_bytes(*self._sizes)

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] at the readouts of B runs, and states [B, state_bytes] after them."""
        ends = np.array(runs.ends, dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
        wanted = np.zeros(len(runs.rows), dtype=bool)
        wanted[runs.readouts] = True
        carry, state = unpack(runs.states, *self._sizes)
        inputs, statistics, states = (
            torch.from_numpy(a).to(self.device)
            for a in (*follow(runs.rows, starts, ends, runs.contexts, carry, wanted), state)
        )
        if len(runs.rows) == len(ends) == len(runs.readouts):  # as most alerts come: one observation, one verdict
            verdicts, ended = self._one_each(inputs, statistics, states)
        else:
            task = Task.of(runs.readouts, inputs, statistics, starts, ends - starts, states)
            for group in groups(task.lengths):
                if task.lengths[group[-1]] <= FEW:
                    self._step(task, group)
                else:
                    self._forward(task, group)
            read = statistics[torch.from_numpy(np.array(task.readouts)).to(self.device)]
            verdicts, ended = self._verdicts(task.logits, task.scores, read), task.states
        return verdicts, pack(carry, ended.cpu().numpy(), *self._sizes)

    def inputs_of(self, runs: Runs) -> NDArray[np.float32]:
        """The network's inputs [M, F] of runs, as `classify` would see them."""
        carry, _ = unpack(runs.states, *self._sizes)
        ends = np.array(runs.ends, dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
        inputs, _ = follow(runs.rows, starts, ends, runs.contexts, carry, np.zeros(len(runs.rows), dtype=bool))
        return inputs

    def warm_up(self) -> None:
        """Classify something on every path, so that the first alert does not pay for what is done once."""
        for length in (1, FEW + 1):
            self.classify(sample(self.start_state, length))

    @torch.inference_mode()
    def _one_each(self, inputs: Tensor, statistics: Tensor, states: Tensor) -> tuple[Verdicts, Tensor]:
        """Verdicts after one observation of each run [B], and the network's states after it."""
        output = self._network.step(inputs, statistics, states)
        return self._verdicts(output.logits, score(output.features, self._anomaly), statistics), output.state

    @torch.inference_mode()
    def _step(self, task: "Task", group: NDArray[np.int64]) -> None:
        """Take short runs [b] to their ends, an observation of each at once; the longest come first."""
        group = group[::-1].copy()
        lengths, starts = task.lengths[group], task.starts[group]
        for number in range(int(lengths[0])):
            active = int((lengths > number).sum())
            rows = starts[:active] + number
            at, runs = (torch.from_numpy(a).to(self.device) for a in (rows, group[:active]))
            output = self._network.step(task.inputs[at], task.statistics[at], task.states[runs])
            task.states[runs] = output.state
            place = np.searchsorted(task.readouts, rows)
            read = np.append(task.readouts, -1)[place] == rows
            chosen = torch.from_numpy(read).to(self.device)
            self._note(task, place[read], output.logits[chosen], output.features[chosen])

    @torch.inference_mode()
    def _forward(self, task: "Task", group: NDArray[np.int64]) -> None:
        """Take long runs [b], of like lengths, to their ends."""
        lengths, starts = task.lengths[group], task.starts[group]
        steps = int(lengths.max())
        rows = starts[:, None] + np.minimum(np.arange(steps), lengths[:, None] - 1)
        first = np.searchsorted(task.readouts, starts)
        counts = np.searchsorted(task.readouts, starts + lengths) - first
        place = first[:, None] + np.arange(max(1, int(counts.max())))
        real = place < (first + counts)[:, None]
        read = np.where(real, np.append(task.readouts, 0)[np.where(real, place, 0)] - starts[:, None], 0)
        at, runs, ends, asked, mask = (torch.from_numpy(a).to(self.device) for a in (rows, group, lengths, read, real))
        output = self._network(task.inputs[at], task.statistics[at], ends, task.states[runs], asked)
        task.states[runs] = output.state
        self._note(task, place[real], output.logits[mask], output.features[mask])

    def _note(self, task: "Task", place: NDArray[np.int64], logits: Tensor, features: Tensor) -> None:
        """Write down what was said at some readouts [n]."""
        at = torch.from_numpy(place).to(self.device)
        task.logits[at], task.scores[at] = logits, score(features, self._anomaly)

    @torch.inference_mode()
    def _verdicts(self, logits: Tensor, scores: Tensor, statistics: Tensor) -> Verdicts:
        """Verdicts [R] of logits, scores and running statistics after the same observations."""
        chances = probabilities(logits, self._temperature, self._prior_log_ratio)
        flags = flagged(scores, statistics, self._anomaly)
        return Verdicts(*(v.cpu().numpy() for v in (chances, p99(chances), scores, flags)))


@dataclass(frozen=True, slots=True)
class Task:
    """A call of `classify` on the device: what goes in, and where what comes out is written to."""

    readouts: NDArray[np.int64]  # [R], ascending
    inputs: Tensor  # [M, F]
    statistics: Tensor  # [M, S]
    starts: NDArray[np.int64]  # [B]
    lengths: NDArray[np.int64]  # [B]
    states: Tensor  # [B, state_size]: the network's before the runs, in the end those after
    logits: Tensor  # [R, 14]
    scores: Tensor  # [R]

    @classmethod
    def of(
        cls,
        readouts: NDArray[np.int64],
        inputs: Tensor,
        statistics: Tensor,
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        states: Tensor,
    ) -> Self:
        """With nothing said yet."""
        size = len(readouts)
        logits, scores = states.new_empty(size, len(CLASSES)), states.new_empty(size)
        return cls(readouts, inputs, statistics, starts, lengths, states, logits, scores)


def groups(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Runs that go through the network together, by ascending length: the short ones, then those of like length."""
    order = np.argsort(lengths, kind="stable")
    few = int((lengths <= FEW).sum())
    if few:
        yield order[:few]
    first = few
    for i in range(few, len(order)):
        n, size = int(lengths[order[i]]), i - first
        if size and (n > 1.25 * lengths[order[first]] or (size + 1) * n > MOST_OBSERVATIONS):
            yield order[first:i]
            first = i
    if first < len(order):
        yield order[first:]
