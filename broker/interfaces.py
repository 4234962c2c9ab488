"""What the pipeline is handed, as it sees it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Batch, Place
from broker.kafka.message import Record
from broker.lightcurves.memory import Memory
from broker.outputs.messages import Outputs
from model.runs import Runs, Verdicts


class Source(Protocol):
    """Read: where messages come from."""

    @property
    def epoch(self) -> int:
        """What a batch must be of, to be worked on."""

    @property
    def held(self) -> AbstractSet[Place]:
        """The partitions that are ours."""

    def read(self, max_messages: int, timeout_s: float) -> Batch:
        """What has come, as soon as anything has; empty after timeout_s."""

    def rewind(self, batch: Batch) -> None:
        """Read again all from this batch on that is not committed; nothing of it is in flight."""

    def owes(self, ends: Mapping[Place, int]) -> bool:
        """Whether the group stands before one of these offsets in a partition that is ours. Raises TransientError."""

    def back_off(self, seconds: float) -> None:
        """Let time go by, still a member of the group."""


class Classifier(Protocol):
    """Classify: runs of observations in, verdicts and states out."""

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] at the readouts and states [B, state_bytes] after the runs."""

    def inputs_of(self, runs: Runs) -> NDArray[np.float32]:
        """The network's inputs [M, F] of runs."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a batch is remembered, classified and answered with; asked for once a batch, so that all of it agrees.

    Args:
        classifier: an artefact at work, with the priors that its probabilities assume.
        memory: light curves, and the states that this classifier has made.
        outputs: writes messages that name the artefact, its digest and the priors.
    """

    classifier: Classifier
    memory: Memory
    outputs: Outputs


class Sink(Protocol):
    """Publish and commit, all or nothing."""

    def commit(self, records: list[Record], batch: Batch) -> None:
        """Raises TransientError after an abort."""
