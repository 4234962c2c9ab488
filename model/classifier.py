"""Classify: runs of observations in, verdicts and states out.

Law 5: batching changes nothing. Every run is computed by itself; companions, order and padding change its verdicts by
rounding alone (1e-5). Law 2: a run that goes on from a state gives what the whole curve gives. Short runs go through
the network step by step, all at once; long ones in windows, padded to like lengths. Of what the anomaly flag remembers
the last detection nearly always tells; where it does not, the run is gone through again with all detections scored.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.anomaly import classes_of, distances, p99, thresholds
from model.artefact import Artefact
from model.calibration import natural_prior_log_ratio, probabilities
from model.features import follow, start_carry
from model.fingerprint import of_code, sample
from model.flag import RELEASE, remember
from model.quality import cut_off, quality, trust
from model.runs import Runs, Verdicts
from model.seen import NAMED, furthest
from model.state import pack, state_bytes, unpack
from model.taxonomy import CLASSES

MOST_OBSERVATIONS = 16_384  # padded, in one pass through the network: bounds its memory to some 200 MB
WINDOW = 256  # observations of a run in one pass: reading out all of them takes the square
FEW = 8  # observations: runs up to this are taken step by step
# Runs that a CPU takes a step at once. PyTorch asks for aligned memory, and a block that was freed glibc seldom gives
# again for that, once something small lies beside it: with blocks of 2 MB, for 1,024 runs at once, a worker's heap
# grew for hours though nothing was lost. Smaller ones leave little; it costs one to two microseconds a run.
AT_ONCE = 128


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
        self._at_once = AT_ONCE if self.device.type == "cpu" else sys.maxsize
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # the default, by which answers lie 5e-4 apart: no law 2, no law 5
        self.name = artefact.name
        self.digest = artefact.digest
        self._network = artefact.network.to(self.device).eval()
        self._temperature = artefact.temperature
        self._anomaly = artefact.anomaly.to(self.device)
        self._seen = artefact.seen.to(self.device) if artefact.seen else None
        self._bounds = self._seen.bounds if self._seen else cut_off(*self._network.scaling)
        ratio = natural_prior_log_ratio(artefact.class_frequencies).to(self.device)
        self._prior_log_ratio = ratio if priors == "natural" else None
        self.priors = priors
        self._sizes = artefact.network.config.layers, artefact.network.config.hidden
        start = self._network.start(1).cpu().numpy()
        self.start_state = pack(start_carry(1), start, np.zeros(1, np.bool_), *self._sizes)[0]
        self.fingerprint = sha256(artefact.digest.encode() + of_code()).digest()[:8]

    @property
    def state_bytes(self) -> int:
        """Size of a state."""
        return state_bytes(*self._sizes)

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] at the readouts of B runs, and states [B, state_bytes] after them."""
        ends = np.array(runs.ends, dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
        scored = with_last_detections(runs)
        carry, state, raised = unpack(runs.states, *self._sizes)
        inputs, statistics, states = (
            torch.from_numpy(a).to(self.device)
            for a in (*follow(runs.rows, starts, ends, runs.contexts, carry, scored), state)
        )
        at = np.flatnonzero(scored)
        if len(runs.rows) == len(ends) == len(at):  # as most alerts come: one observation, one verdict
            said, ended = self._one_each(inputs, statistics, states), states
        else:
            task = Task(at, inputs, statistics, starts, ends - starts, states, Said.room(len(at), states))
            for group in groups(task.lengths, self._at_once):
                if task.lengths[group[-1]] <= FEW:
                    self._step(task, group)
                else:
                    self._forward(task, group)
            said, ended, statistics = task.said, task.states, statistics[torch.from_numpy(at).to(self.device)]
        limits = thresholds(statistics, self._anomaly)
        flags, doubtful = self._flags(said.scores, limits, runs.rows["detected"], at, starts, ends, raised)
        if len(at) != len(runs.readouts):
            asked = np.searchsorted(at, runs.readouts)
            flags, which = flags[asked], torch.from_numpy(asked).to(self.device)
            said, statistics, limits = Said(*(part[which] for part in said)), statistics[which], limits[which]
        verdicts = self._verdicts(said, statistics, limits, flags)
        bodies = pack(carry, ended.cpu().numpy(), raised, *self._sizes)
        if doubtful.any():
            self._again(runs, doubtful, verdicts, bodies)
        return verdicts, bodies

    def inputs_of(self, runs: Runs) -> NDArray[np.float32]:
        """The network's inputs [M, F] of runs, as `classify` would see them."""
        carry, _, _ = unpack(runs.states, *self._sizes)
        ends = np.array(runs.ends, dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
        inputs, _ = follow(runs.rows, starts, ends, runs.contexts, carry, np.zeros(len(runs.rows), dtype=bool))
        return inputs

    def warm_up(self) -> None:
        """Classify something on every path, so that the first alert does not pay for what is done once."""
        for length in (1, FEW + 1):
            self.classify(sample(self.start_state, length))

    @torch.inference_mode()
    def _one_each(self, inputs: Tensor, statistics: Tensor, states: Tensor) -> "Said":
        """What is said after one observation of each run [B]; `states` are changed to the network's after it."""
        said = Said.room(len(states), states)
        for first in range(0, len(states), self._at_once):
            few = slice(first, first + self._at_once)
            output = self._network.step(inputs[few], statistics[few], states[few])
            states[few] = output.state
            self._note(said, few, output.logits, output.features)
        return said

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
            place = np.searchsorted(task.scored, rows)
            read = np.append(task.scored, -1)[place] == rows
            chosen, at = (torch.from_numpy(a).to(self.device) for a in (read, place[read]))
            self._note(task.said, at, output.logits[chosen], output.features[chosen])

    def _forward(self, task: "Task", group: NDArray[np.int64]) -> None:
        """Take long runs [b], of like lengths, to their ends."""
        for first in range(0, int(task.lengths[group].max()), WINDOW):
            longer = group[task.lengths[group] > first]
            self._pass(task, longer, task.starts[longer] + first, np.minimum(task.lengths[longer] - first, WINDOW))

    @torch.inference_mode()
    def _pass(
        self, task: "Task", group: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        """Take runs [b] some observations on, in one pass through the network."""
        steps = int(lengths.max())
        rows = starts[:, None] + np.minimum(np.arange(steps), lengths[:, None] - 1)
        first = np.searchsorted(task.scored, starts)
        counts = np.searchsorted(task.scored, starts + lengths) - first
        place = first[:, None] + np.arange(max(1, int(counts.max())))
        real = place < (first + counts)[:, None]
        read = np.where(real, np.append(task.scored, 0)[np.where(real, place, 0)] - starts[:, None], 0)
        at, runs, ends, asked, mask = (torch.from_numpy(a).to(self.device) for a in (rows, group, lengths, read, real))
        output = self._network(task.inputs[at], task.statistics[at], ends, task.states[runs], asked)
        task.states[runs] = output.state
        at = torch.from_numpy(place[real]).to(self.device)
        self._note(task.said, at, output.logits[mask], output.features[mask])

    def _note(self, said: "Said", at: Tensor | slice, logits: Tensor, features: Tensor) -> None:
        """Write down what was said at some places [n]."""
        for part, found in zip(said, (logits, *distances(features, self._anomaly)), strict=True):
            part[at] = found

    @torch.inference_mode()
    def _flags(
        self,
        scores: Tensor,
        limits: Tensor,
        detected: NDArray[np.bool_],
        at: NDArray[np.int64],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        raised: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The flags [K] at what was scored, and the runs [B] of which they are in doubt.

        `raised` [B] is changed to what is remembered after the runs.
        """
        above, near = ((scores > limit).cpu().numpy() for limit in (limits, RELEASE * limits))
        last, seen = np.searchsorted(at, ends), np.array(detected)[at]
        skipped = np.zeros(len(at), np.bool_)
        if len(at) < len(detected):
            so_far = np.concatenate([np.zeros(1, np.int64), np.cumsum(detected)])  # detections before each row
            begun = np.concatenate([np.zeros(1, np.int64), at[:-1] + 1])[: len(at)]
            first = np.searchsorted(at, starts)
            begun[first[first < last]] = starts[first < last]
            skipped = so_far[at] > so_far[begun]
        return remember(above, near, seen, skipped, last, raised)

    def _again(self, runs: Runs, doubtful: NDArray[np.bool_], verdicts: Verdicts, bodies: NDArray[np.uint8]) -> None:
        """Go through some of the runs [B] once more, all detections scored, and put right what their flags are."""
        wanted = np.array(runs.rows["detected"])
        wanted[runs.readouts] = True
        own = np.repeat(doubtful, np.diff(runs.ends, prepend=0))  # [M]
        found, ended = self.classify(runs.take(np.flatnonzero(doubtful), wanted))
        bodies[doubtful, -1] = ended[:, -1]  # what is remembered; all else would differ by rounding
        asked = own[runs.readouts]
        place = np.searchsorted(np.flatnonzero(wanted & own), runs.readouts[asked])
        for name in ("anomalies", "nearest", "furthest", "deviations"):
            getattr(verdicts, name)[asked] = getattr(found, name)[place]

    @torch.inference_mode()
    def _verdicts(self, said: "Said", statistics: Tensor, limits: Tensor, flags: NDArray[np.bool_]) -> Verdicts:
        """Verdicts [R] of what was said, the running statistics and the thresholds after the same observations."""
        qualities = quality(statistics, self._bounds)
        chances = probabilities(said.logits, self._temperature, self._prior_log_ratio, trust(qualities))
        nearest, which, away = self._reasons(said.nearest, statistics, flags)
        return Verdicts(
            probabilities=chances.cpu().numpy(),
            p99=p99(chances).cpu().numpy(),
            anomaly_scores=said.scores.cpu().numpy(),
            thresholds=limits.cpu().numpy(),
            anomalies=flags,
            qualities=qualities.cpu().numpy(),
            nearest=nearest,
            furthest=which,
            deviations=away,
        )

    def _reasons(
        self, nearest: Tensor, statistics: Tensor, flags: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """The nearest classes [R], the statistics furthest from them and how far [R, NAMED], of those flagged."""
        classes, which = np.full(len(flags), -1, np.int64), np.full((len(flags), NAMED), -1, np.int64)
        away = np.zeros((len(flags), NAMED), np.float32)
        flagged = np.flatnonzero(flags)
        if len(flagged):
            at = torch.from_numpy(flagged).to(self.device)
            found = classes_of(nearest[at], self._anomaly)
            classes[flagged] = found.cpu().numpy()
            if self._seen is not None and classes[flagged[0]] >= 0:
                which[flagged], away[flagged] = (v.cpu().numpy() for v in furthest(statistics[at], found, self._seen))
        return classes, which, away


class Said(NamedTuple):
    """What is said at K observations, before priors, thresholds and memory."""

    logits: Tensor  # [K, 14]
    scores: Tensor  # [K]
    nearest: Tensor  # [K], the prototype

    @classmethod
    def room(cls, size: int, like: Tensor) -> Self:
        """With nothing said yet, beside a tensor."""
        nearest = torch.zeros(size, dtype=torch.long, device=like.device)
        return cls(like.new_empty(size, len(CLASSES)), like.new_empty(size), nearest)


@dataclass(frozen=True, slots=True)
class Task:
    """A call of `classify` on the device: what goes in, and where what comes out is written to."""

    scored: NDArray[np.int64]  # [K], ascending
    inputs: Tensor  # [M, F]
    statistics: Tensor  # [M, S]
    starts: NDArray[np.int64]  # [B]
    lengths: NDArray[np.int64]  # [B]
    states: Tensor  # [B, state_size]: the network's before the runs, in the end those after
    said: Said  # at what is scored


def with_last_detections(runs: Runs) -> NDArray[np.bool_]:
    """After which of the rows [M] scores are wanted: those that are read out, and each run's last detection."""
    wanted = np.zeros(len(runs.rows), np.bool_)
    wanted[runs.readouts] = True
    seen = np.flatnonzero(runs.rows["detected"])
    last = np.searchsorted(seen, runs.ends) - 1
    there = last >= np.searchsorted(seen, np.concatenate([np.zeros(1, np.int64), runs.ends[:-1]])[: len(last)])
    wanted[seen[last[there]]] = True
    return wanted


def groups(lengths: NDArray[np.int64], at_once: int) -> Iterator[NDArray[np.int64]]:
    """Runs that go through the network together, by ascending length: the short ones, then those of like length."""
    order = np.argsort(lengths, kind="stable")
    few = int((lengths <= FEW).sum())
    for first in range(0, few, at_once):
        yield order[first : min(first + at_once, few)]
    first = few
    for i in range(few, len(order)):
        n, size = int(lengths[order[i]]), i - first
        if size and (n > 1.25 * lengths[order[first]] or (size + 1) * n > MOST_OBSERVATIONS):
            yield order[first:i]
            first = i
    if first < len(order):
        yield order[first:]
