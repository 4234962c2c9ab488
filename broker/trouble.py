"""Trouble: what is to be made good before the service is ready again: a server is away, the store has lost its data."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from broker.errors import StoreLostError, TransientError
from broker.health import Health
from broker.interfaces import Source
from broker.kafka.batch import Batch, Place
from broker.metrics import Metrics

log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


@dataclass(slots=True)
class Trouble:
    """What went wrong and is not made good yet.

    Args:
        source: reads again what is owed.
        health: told.
        metrics: counts.
        mend: one try to use a lost store again, calling back meanwhile; whether it can be used.
    """

    source: Source
    health: Health
    metrics: Metrics
    mend: Callable[[Callable[[], None]], bool]
    pause_s: float = FIRST_PAUSE_S
    owed: dict[Place, int] = field(default_factory=dict)  # offsets to be committed, as far as we know
    lost: bool = False  # what the store had

    def note(self, error: TransientError) -> None:
        """Something went wrong: what is not committed is read again."""
        self.health.unwell(error.server, str(error))
        self.metrics.retries.inc()
        log.warning("reading again", pause_s=self.pause_s, error=str(error))
        if isinstance(error, StoreLostError) and not self.lost:
            self.lost = True
            self.metrics.store_losses.inc()

    def refuse(self, batch: Batch) -> None:
        """A batch is not committed, as far as we know: it is read again, unless it is."""
        self.owed |= {place: last + 1 for place, _, last in batch.bounds()}
        self.source.rewind(batch)

    def wait(self) -> None:
        """Give the servers time, each time more."""
        self.source.back_off(self.pause_s)
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)

    def make_good(self) -> None:
        """Use a lost store again. Raises TransientError while that cannot be."""
        if not self.lost:
            return
        if not self.mend(self.alive):
            raise TransientError("redis", "the light curves are lost, and are being rebuilt or wait for an operator")
        self.lost = False
        log.warning("the store has its light curves again")

    def look(self) -> None:
        """The servers answer, and nothing is in flight: see whether that was all. Raises TransientError."""
        # It may be committed though the answer was lost, or another worker's by now: then it does not come again.
        if not self.owed or not self.source.owes(self.owed):
            self.committed()

    def committed(self) -> None:
        """Servers did all that they were asked."""
        self.owed.clear()
        self.health.well("redis")
        self.health.well("kafka")

    def over(self) -> None:
        """A turn went by without trouble; if nothing is owed, there is none."""
        if not self.owed:
            self.health.well("kafka")
            self.pause_s = FIRST_PAUSE_S

    def alive(self) -> None:
        """A long repair goes on: the loop turns, and the group hears of us."""
        self.health.turned()
        self.source.back_off(0.0)
