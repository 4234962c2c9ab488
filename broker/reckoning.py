"""Reckoning: what is committed is counted once, by its offsets, also where the answer to the commit was lost.

A commit may take effect though nobody answers. Then what it was to count waits until Kafka says where the group stands:
the next message that comes of one of its partitions tells. It is behind the commit, which so took effect, or it is one
of those that it held, which are done and counted again. Whoever has given up partitions meanwhile cannot know any more
who committed, and does not count: a number may be too small for that, never too large.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.interfaces import Source
from broker.kafka.batch import Batch
from broker.metrics import Metrics
from broker.work import Work


@dataclass(slots=True)
class Reckoning:
    """Counts works.

    Args:
        metrics: the counters.
        now_ms: the clock.
        tell: told of each batch that is committed.
    """

    metrics: Metrics
    now_ms: Callable[[], int]
    tell: Callable[[Batch], None]
    unsure: list[Work] = field(default_factory=list)  # of which nobody has said whether they are committed

    def read(self, batch: Batch) -> None:
        """Messages came: count them, and see what they tell of what is unsure."""
        self.metrics.received.inc(len(batch))
        self.metrics.received_bytes.inc(batch.nbytes)
        if not self.unsure:
            return
        firsts = {place: first for place, first, _ in batch.bounds()}
        waiting, self.unsure = self.unsure, []
        for work in waiting:
            told = [firsts[place] > last for place, _, last in work.batch.bounds() if place in firsts]
            if work.batch.group is not batch.group:
                continue
            if not told:
                self.unsure.append(work)
            elif all(told):
                self.committed(work)

    def committed(self, work: Work) -> None:
        """A work is committed."""
        work.counts.add_to(self.metrics, self.now_ms())
        if work.model.shadow:
            work.model.shadow.count(work.shade)
        self.tell(work.batch)

    def doubt(self, work: Work) -> None:
        """A work's commit failed, as far as we know."""
        self.unsure.append(work)

    def look(self, source: Source) -> None:
        """Nothing comes: ask where the group stands. Raises TransientError."""
        waiting = self.unsure
        if not waiting or source.owes({place: last + 1 for work in waiting for place, _, last in work.batch.bounds()}):
            return
        self.unsure = []
        for work in waiting:
            self.committed(work)
