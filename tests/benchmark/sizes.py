"""How much the benchmark does: everything that a flag may change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """By default what the figures are published with: half an hour on two cores."""

    rounds: int = 20  # of each figure without Kafka
    batch: int = 1024
    lengths: tuple[int, ...] = (10, 20, 100, 350)
    objects: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    histories: tuple[int, ...] = (20, 100, 1_000)
    with_history: int = 256  # objects
    workers: tuple[int, ...] = (1, 2)
    stored: int = 20_000  # objects, end to end
    points: int = 100  # observations of each
    backlog: int = 10  # alerts of each object
    real: int = 500  # objects of real packets
    nights: int = 8  # packets of each
    repeats: int = 3  # end to end, of a burst, of a latency
    rates: tuple[int, ...] = (8, 100, 1_000, 5_000)  # alerts/s
    seconds: float = 15.0  # at each rate
    fewest: int = 200  # alerts at each rate
    bursts: tuple[int, ...] = (10_000, 40_000)
    curves: int = 512  # of the comparison with others

    def quick(self) -> "Sizes":
        """The same shape in a minute or two; what it prints is no figure to publish."""
        return Sizes(
            rounds=3, objects=(1_000, 20_000), with_history=64, stored=2_000, points=20, backlog=10, real=120, nights=5,
            repeats=1, seconds=2.0, fewest=16, bursts=(2_000, 10_000), curves=64,
        )  # fmt: skip
