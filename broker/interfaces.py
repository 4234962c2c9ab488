"""What the pipeline is handed, as it sees it."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage
from broker.kafka.batch import Batch, Place
from broker.kafka.message import Message, Record
from broker.lightcurves.plan import Plan
from broker.lightcurves.told import Messages
from broker.packets.decoded import Decoded
from model.alerts import Alerts
from model.drift import InputShares
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

    @property
    def start_state(self) -> NDArray[np.uint8]:
        """[state_bytes] before any observation."""

    def classify(self, runs: Runs) -> tuple[Verdicts, NDArray[np.uint8]]:
        """Verdicts [R] at the readouts and states [B, state_bytes] after the runs."""

    def inputs_of(self, runs: Runs) -> NDArray[np.float32]:
        """The network's inputs [M, F] of runs."""


class Remembers(Protocol):
    """Remember: light curves, and a classifier's states. See lightcurves.memory."""

    def remember(self, alerts: Alerts, messages: Messages) -> Plan:
        """Write the alerts, then read what is needed to classify each. Raises TransientError, TooMuchError."""

    def states_of(self, plan: Plan, bodies: NDArray[np.uint8]) -> list[tuple[bytes, bytes]]:
        """What is to be saved after the commit."""

    def took_off(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """A batch is on its way."""

    def save(self, saved: Sequence[tuple[bytes, bytes]], plan: Plan) -> None:
        """After the commit. Raises TransientError."""

    def landed(self) -> None:
        """The batch on its way is committed, or given up."""

    def ping(self) -> None:
        """Return if the store answers. Raises TransientError."""


class Writes(Protocol):
    """Publish: the messages of every fate. See outputs.messages."""

    def published(
        self,
        batch: Batch,
        decoded: Decoded,
        answered: NDArray[np.int64],
        verdicts: Verdicts,
        observations: NDArray[np.int64],
        read_ms: int,
        publish_ms: int,
    ) -> list[Record]:
        """Everything that is published of k alerts."""

    def declined(self, batch: Batch, decoded: Decoded, read_ms: int) -> list[Record]:
        """Of those that are declined."""

    def dead_letter(self, message: Message, poison: PoisonMessage, read_ms: int) -> Record:
        """Of a message that cannot be read."""

    def duplicate(self, message: Message, read_ms: int) -> Record:
        """Of an alert that came before."""

    def shrink(self) -> bool:
        """Keep less of a message in dead letters; whether that was possible."""

    def grow(self) -> None:
        """Keep as much again as at first."""


class Shadows(Protocol):
    """A second artefact beside the answer, which it never harms. What it says of a part is its own kind of thing."""

    def answer(
        self, batch: Batch, decoded: Decoded, plan: Plan, verdicts: Verdicts, took_s: float, read_ms: int, now_ms: int
    ) -> Any:  # noqa: ANN401 - handed back to the same shadow; it has `records`
        """What it says of alerts that are answered."""

    def took_off(self, shade: Any) -> None:  # noqa: ANN401
        """A part is on its way."""

    def landed(self) -> None:
        """The part on its way is committed, or given up."""

    def count(self, shade: Any) -> None:  # noqa: ANN401
        """A part is committed: count it."""

    def save(self, shade: Any) -> None:  # noqa: ANN401
        """After the commit. Raises TransientError."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a batch is remembered, classified and answered with; asked for once a batch, so that all of it agrees.

    Args:
        classifier: an artefact at work, with the priors that its probabilities assume.
        memory: light curves, and the states that this classifier has made.
        outputs: writes messages that name the artefact, its digest and the priors.
        shadow: another artefact that is compared with this one.
        known: how the inputs of a survey's alerts were distributed in training, where the artefact says.
    """

    classifier: Classifier
    memory: Remembers
    outputs: Writes
    shadow: Shadows | None = None
    known: Callable[[str], InputShares | None] = lambda _: None


class Sink(Protocol):
    """Publish and commit, all or nothing."""

    def commit(self, records: list[Record], batch: Batch) -> None:
        """Raises TransientError after an abort."""
