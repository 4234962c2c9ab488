"""`misweeper run` that ends by its own hand, SIGKILL, at a named step of the commit order.

    python -m tests.chaos.worker STEP N     when it comes to STEP for the N-th time
    python -m tests.chaos.worker            never

The service is the real one: its methods are only followed by a look at the count. Its wall clock jumps by hours.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from confluent_kafka import Producer

from broker import assembly
from broker.commands import main as commands
from broker.kafka import sink
from broker.kafka.source import KafkaSource
from broker.lightcurves.memory import Memory

JUMPS_NS = [hours * 3_600_000_000_000 for hours in (-24, -1, 0, 0, 1)]
COMMIT_TAKES_S = 0.004  # about: it is killed at any moment of it


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Calls what it is for at the N-th time."""

    def __init__(self, times: int, what: Callable[[], None] = die) -> None:
        self._left = times
        self._what = what

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._what()


def after(owner: type, name: str, count: Countdown, counts: Callable[[Any], object] = lambda _: True) -> None:
    """Count down after each call of a method whose result counts."""
    method = getattr(owner, name)

    def followed(*arguments: Any, **named: Any) -> Any:
        result = method(*arguments, **named)
        if counts(result):
            count()
        return result

    setattr(owner, name, followed)


def before(owner: type, name: str, count: Countdown) -> None:
    """Count down before each call of a method."""
    method = getattr(owner, name)

    def preceded(*arguments: Any, **named: Any) -> Any:
        count()
        return method(*arguments, **named)

    setattr(owner, name, preceded)


class Publisher(Producer):
    """confluent-kafka's producer, whose methods can be followed."""

    def begin_transaction(self) -> None:
        super().begin_transaction()

    def produce(self, *arguments: Any, **named: Any) -> None:
        super().produce(*arguments, **named)

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        super().send_offsets_to_transaction(*arguments)

    def commit_transaction(self, *arguments: Any) -> None:
        super().commit_transaction(*arguments)


def soon() -> None:
    """Die in a moment, wherever the process will be by then."""
    threading.Timer(random.uniform(0, COMMIT_TAKES_S), die).start()


STEPS: dict[str, Callable[[int], None]] = {
    "read": lambda n: after(KafkaSource, "read", Countdown(n), bool),
    "light curves written": lambda n: after(Memory, "remember", Countdown(n)),
    "classified": lambda n: before(Memory, "states_of", Countdown(n)),
    "under way": lambda n: after(Memory, "took_off", Countdown(n)),  # from here on it is committed in another thread
    "transaction begun": lambda n: after(Publisher, "begin_transaction", Countdown(n + 1)),  # one tries rights
    "producing": lambda n: after(Publisher, "produce", Countdown(100 * n + random.randrange(100))),
    "all produced": lambda n: before(Publisher, "send_offsets_to_transaction", Countdown(n)),
    "offsets sent": lambda n: after(Publisher, "send_offsets_to_transaction", Countdown(n)),
    "committing": lambda n: before(Publisher, "commit_transaction", Countdown(n, soon)),
    "committed": lambda n: after(Publisher, "commit_transaction", Countdown(n)),
    "saving states": lambda n: before(Memory, "save", Countdown(n, soon)),
    "states written": lambda n: after(Memory, "save", Countdown(n)),
}


def jumping_ns() -> int:
    """Nanoseconds since 1970, on a clock that somebody keeps setting."""
    return time.time_ns() + random.choice(JUMPS_NS)


def main(step: str | None = None, times: str = "1") -> None:
    assembly.time = SimpleNamespace(monotonic=time.monotonic, time_ns=jumping_ns)  # type: ignore[assignment]
    Memory.__init__.__kwdefaults__["clock"] = lambda: jumping_ns() / 1e9
    sink.Producer = Publisher
    if step:
        STEPS[step](int(times))
    sys.argv = ["misweeper", "run"]
    commands.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
