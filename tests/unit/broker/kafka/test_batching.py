from dataclasses import dataclass, field

import pytest

from broker.kafka.batching import Batching
from broker.kafka.message import Message


@dataclass
class Line:
    """A reader with a clock of its own: messages arrive at given times, and reading takes the time it must."""

    arrivals: list[float]
    now: float = 0.0
    asked: list[float] = field(default_factory=list)

    def read(self, max_messages, timeout_s):
        self.asked.append(timeout_s)
        end = self.now + timeout_s
        due = [t for t in self.arrivals if t <= end][:max_messages]
        self.arrivals = self.arrivals[len(due) :]
        self.now = max(self.now, due[-1]) if len(due) == max_messages else end
        return [Message("t", 0, i, 0) for i, _ in enumerate(due)]


def batching(line, max_size=4):
    return Batching(max_size=max_size, max_wait_ms=100, clock=lambda: line.now)


def test_a_full_batch_leaves_at_once():
    line = Line([0.01, 0.02, 0.03, 0.04, 0.05])
    assert len(batching(line).next(line)) == 4
    assert line.now == 0.04


def test_a_lonely_message_waits_no_longer_than_max_wait():
    line = Line([0.03])
    assert len(batching(line).next(line)) == 1
    assert line.now == 0.1


def test_time_spent_on_a_batch_is_taken_off_the_next_wait_for_both_batches():
    line = Line([0.01, 0.12])
    collector = batching(line)
    collector.next(line)
    line.now += 0.03  # the batch is being classified; a message arrives meanwhile
    assert len(collector.next(line)) == 1
    assert line.now == pytest.approx(0.17), "and 0.03 more for its own batch: committed 0.1 after the last was closed"


def test_after_a_long_batch_what_has_queued_leaves_at_once():
    line = Line([0.01, 0.2])
    collector = batching(line)
    collector.next(line)
    line.now += 5.0
    assert len(collector.next(line)) == 1
    assert line.now == 5.1


def test_an_idle_service_waits_and_never_spins():
    line = Line([])
    collector = batching(line)
    line.now = 50.0
    assert collector.next(line) == []
    assert line.asked[-1] == 0.1


@pytest.mark.parametrize(("way_ms", "waits_s"), [(20.0, 0.08), (500.0, 0.05)])
def test_the_way_through_kafka_is_taken_off_the_wait(way_ms, waits_s):
    line = Line([0.03])
    collector = Batching(max_size=4, max_wait_ms=100, clock=lambda: line.now, way_ms=way_ms)
    assert len(collector.next(line)) == 1
    assert line.now == pytest.approx(waits_s)
