"""The crew: which workers the group has, what each of them reads, and how much waits."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class Worker:
    """A member of the group."""

    name: str
    host: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Crew:
    """What Kafka said of the group."""

    at: float = 0.0  # [s since 1970]
    workers: tuple[Worker, ...] = ()
    lag: int = 0  # alerts, or markers of transactions, that wait
    trouble: str = "not asked yet"  # why the rest may be old; "" where it is not
    lags: dict[str, int] = field(default_factory=dict)  # by partition

    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> Self:
        """From such a line."""
        found = json.loads(line)
        return cls(**found | {"workers": tuple(Worker(**worker) for worker in found["workers"])})
