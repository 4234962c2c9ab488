"""The shadow: a second artefact on the same alerts and the same light curves, whose answers go to a topic of their own.

It comes after the answer is made, and whatever goes wrong with it is counted and left out, never the answer's trouble:

    a verdict that is no number, or none at all     that alert is left out
    light curves that are too much work at once     it answers as many alerts as are not
    Redis away or lost                              that part is left out; the answer's own memory deals with it
    more time than the answer takes, for long       parts are left out until the average is even
    anything else, a bug                            it is off until something else is promoted, and the log says why

Its records are in the answer's transaction: both are there, or neither. What it has missed it finds in the logs, as any
model does whose state does not fit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import structlog
from numpy.typing import NDArray

from broker.errors import TransientError
from broker.interfaces import Classifier
from broker.kafka.batch import Batch
from broker.kafka.message import Record
from broker.lightcurves.effort import TooMuchError
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import ASIDE, Plan
from broker.lightcurves.told import Messages
from broker.models.agreement import Agreement
from broker.outputs.messages import Outputs
from broker.packets.decoded import Decoded
from model.alerts import Alerts
from model.runs import Verdicts

log = structlog.get_logger(__name__)

MOST_S = 5.0  # by how much it may have taken longer than the answers did


@dataclass(slots=True)
class Shade:
    """What the shadow has to say of a part of a batch."""

    records: list[Record] = field(default_factory=list)  # to be published
    states: list[tuple[bytes, bytes]] = field(default_factory=list)  # to be saved
    agreement: Agreement = field(default_factory=Agreement)
    missed: Mapping[str, int] = field(default_factory=dict)  # classifications, by why
    plan: Plan | None = None


class Shadow:
    """An artefact that is listened to by nobody but those who compare.

    Args:
        classifier: the artefact at work.
        memory: its states, on logs that it does not write.
        outputs: write to its topic.
        agreed: told of each part that is committed.
        clock: seconds.
    """

    def __init__(
        self,
        classifier: Classifier,
        memory: Memory,
        outputs: Outputs,
        agreed: Callable[[Agreement, Mapping[str, int]], None] = lambda _, __: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._classifier, self._memory, self._outputs = classifier, memory, outputs
        self._agreed, self._clock = agreed, clock
        self._behind_s = 0.0  # by how much it has taken longer than the answers
        self._broken = False

    def answer(
        self, batch: Batch, decoded: Decoded, plan: Plan, verdicts: Verdicts, took_s: float, read_ms: int, now_ms: int
    ) -> Shade:
        """What the shadow says of alerts that are answered. Never raises.

        Args:
            batch: the messages.
            decoded: what they mean.
            plan: of the answer; its light curves are written.
            verdicts: the answer's.
            took_s: how long that took.
            read_ms: see ClassificationEncoder.
            now_ms: see ClassificationEncoder.
        """
        answered = np.flatnonzero(plan.verdicts >= 0)
        if self._broken:
            return missing(len(answered), "error")
        if self._behind_s > MOST_S:
            self._behind_s -= took_s
            return missing(len(answered), "slow")
        began = self._clock()
        try:
            return self._said(batch, decoded, plan, verdicts, answered, read_ms, now_ms)
        except TransientError:
            return missing(len(answered), "redis")
        except Exception:
            log.exception("the shadow is off until another artefact is promoted")
            self._broken = True
            return missing(len(answered), "error")
        finally:
            self._behind_s = max(0.0, self._behind_s + self._clock() - began - took_s)

    def _said(
        self,
        batch: Batch,
        decoded: Decoded,
        plan: Plan,
        verdicts: Verdicts,
        answered: NDArray[np.int64],
        read_ms: int,
        now_ms: int,
    ) -> Shade:
        seen, alerts, own = self._remember(batch, decoded, plan)
        said, bodies = self._classifier.classify(own.runs)
        before = own.verdicts.copy()
        own.set_aside_what_is_not_finite(said)
        not_finite = int(((before >= 0) & (own.verdicts < 0))[plan.verdicts[seen] >= 0].sum())
        both = np.flatnonzero((plan.verdicts[seen] >= 0) & (own.verdicts >= 0))
        theirs, ours = said.take(own.verdicts[both]), verdicts.take(plan.verdicts[seen[both]])
        told = alerts.take(both)
        records = self._outputs.classifications(batch, told, theirs, own.observations[both], read_ms, now_ms)
        left = len(answered) - int((plan.verdicts[seen] >= 0).sum())
        missed = {"too_much": left, "not_finite": not_finite}
        missed["not_answered"] = len(answered) - len(both) - left - not_finite
        return Shade(
            records[: len(both)],  # behind them come those for the topic of anomalies, which are for the answer alone
            self._memory.states_of(own, bodies),
            Agreement.of(ours.probabilities, theirs.probabilities, ours.anomalies, theirs.anomalies),
            missed,
            own,
        )

    def _remember(self, batch: Batch, decoded: Decoded, plan: Plan) -> tuple[NDArray[np.int64], Alerts, Plan]:
        """What it has to do for as many alerts as are not too much work, from the first on; which, and they."""
        seen = np.flatnonzero(plan.verdicts != ASIDE)  # of the others the logs may lack something
        while True:
            alerts = decoded.alerts.whole(seen)
            try:
                return seen, alerts, self._memory.remember(alerts, Messages.of(batch, alerts))
            except TooMuchError as too_much:
                seen = seen[: too_much.alerts]

    def took_off(self, shade: Shade) -> None:
        """A part is on its way: until it is committed, its states are those that plans see."""
        self._memory.took_off(shade.states)

    def landed(self) -> None:
        """The part on its way is committed, or given up."""
        self._memory.landed()

    def count(self, shade: Shade) -> None:
        """A part is committed, as far as is known only now: count how far both agreed."""
        self._agreed(shade.agreement, shade.missed)

    def save(self, shade: Shade) -> None:
        """After the commit: keep the states. Raises TransientError."""
        if shade.plan:
            self._memory.save(shade.states, shade.plan)


def missing(count: int, why: str) -> Shade:
    """Nothing is said of so many classifications."""
    return Shade(missed={why: count})
