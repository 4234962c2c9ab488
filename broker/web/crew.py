"""The crew: which workers the group has, what each of them reads, and how much waits."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Worker:
    """A member of the group."""

    name: str
    host: str
    reads: tuple[str, ...] = ()  # partitions, as topic[0]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long the oldest unread alert has waited."""

    seconds: float
    at_least: bool  # it waited before anybody looked; else at most so long


@dataclass(frozen=True, slots=True)
class Crew:
    """What Kafka said of the group."""

    at: float = 0.0  # [s since 1970]
    workers: tuple[Worker, ...] = ()
    lag: int = 0  # alerts, or markers of transactions, that wait
    trouble: str = "not asked yet"  # why the rest may be old; "" where it is not
    lags: dict[str, int] = field(default_factory=dict)  # by partition
    waiting: Waiting | None = None  # None where nothing waits

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> Self:
        """From such a line."""
        found = json.loads(line)
        workers = tuple(Worker(**one | {"reads": tuple(one["reads"])}) for one in found["workers"])
        return cls(**found | {"workers": workers, "waiting": found["waiting"] and Waiting(**found["waiting"])})
