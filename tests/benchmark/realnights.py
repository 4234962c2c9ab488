"""Real packets end to end: known objects, whose histories grow from night to night, beside the bare loop of the bytes.

As in `endtoend`. The first night of all objects is worked off before anything is timed; what is timed are the other
nights of some, in order. The share of steps is that of the service's own count.
"""

import re
from collections.abc import Iterator

from tests.benchmark.endtoend import SAMPLE_S, bare, bare_topic, drained
from tests.benchmark.figure import Figure, ratios
from tests.benchmark.nights import RubinNights, ZtfNights
from tests.benchmark.progress import say
from tests.benchmark.serving import Serving, serving
from tests.benchmark.sizes import Sizes
from tests.support.service import eventually

NIGHTS = {"rubin": (RubinNights, 1), "ztf": (ZtfNights, 2)}  # for each of `real` objects so many: ZTF's are smaller
RUBIN_IDS = '[{"topics": "alerts", "ids": "rubin"}]'
AT_ONCE = 64  # packets in memory
COUNTED_S = 30.0  # after a commit, until it is counted too
COUNT = re.compile(r'misweeper_(?:light_curves|fates)_total\{[^}]*?(?:how|fate)="(\w+)"[^}]*\} ([0-9.e+]+)')


def real_nights(sizes: Sizes) -> Iterator[Figure]:
    """Rate, share of the bare loop and share of steps, by survey and number of workers."""
    for survey, (made, times) in NIGHTS.items():
        say(f"{survey}: writing the packets of {sizes.nights} nights")
        nights, loops, kilobytes, first = made(sizes.nights), list[float](), list[float](), 0
        with serving("none", 0, 1, {"MISWEEPER_PACKETS__FORMATS": RUBIN_IDS}) as service:
            bare_topic(service.kafka)
            size = sizes.real * times
            sent(service, nights, range(size * sizes.repeats * len(sizes.workers)), range(1))
            service.start(max(sizes.workers))
            service.samples(SAMPLE_S)
            service.stop()
            for workers in sizes.workers:
                found = list[tuple[float, float]]()
                for repeat in range(sizes.repeats):
                    say(f"{survey}: {workers} worker(s), {repeat + 1} of {sizes.repeats}")
                    objects = range(first, first + size)
                    first = objects.stop
                    kilobytes.append(sent(service, nights, objects, range(1, sizes.nights)))
                    count = len(objects) * (sizes.nights - 1)
                    found.append(worked_off(service, workers, count))
                    loops.append(bare(service.kafka, count, f"bare-{repeat}-{workers}"))
                rates, steps = zip(*found, strict=True)
                name = f"{survey}, {workers} worker{'s' if workers > 1 else ''}"
                yield Figure.of("surveys", name, "alerts/s", rates)
                yield ratios("surveys", f"{name}, share of the bare loop", rates, loops[-len(rates) :])
                yield Figure.of("surveys", f"{name}, share of steps", "", steps)
        yield Figure.of("surveys", f"{survey}, the bare loop", "alerts/s", loops)
        yield Figure.of("surveys", f"{survey}, a packet", "KB", kilobytes)


def worked_off(service: Serving, workers: int, count: int) -> tuple[float, float]:
    """Alerts a second of so many that wait, and the share of light curves that were one step."""
    counts = dict[str, float]()
    rate, _ = drained(service, workers, count, lambda: counts.update(counted(service, count)))
    if counts["published"] != count:
        raise RuntimeError(f"of {count} packets not all were published: {counts}")
    return rate, counts["stepped"] / (counts["stepped"] + counts["recomputed"])


def sent(service: Serving, nights: RubinNights | ZtfNights, objects: range, numbers: range) -> float:
    """Send some nights of some objects; the mean size of a packet [KB]."""
    size = 0
    for number in numbers:
        for start in range(objects.start, objects.stop, AT_ONCE):
            some = list(nights.night(number, range(start, min(start + AT_ONCE, objects.stop))))
            service.send([value for _, value in some], [key for key, _ in some])
            size += sum(len(value) for _, value in some)
    return size / len(objects) / len(numbers) / 1e3


def counted(service: Serving, count: int) -> dict[str, float]:
    """What the workers say of all their alerts: of light curves how, of fates which."""
    found: dict[str, float] = {}

    def whole() -> bool:
        found.clear()
        for worker in service.workers:
            for name, value in told_by(worker.ask("/metrics")[1]):
                found[name] = found.get(name, 0.0) + value
        return sum(found.get(fate, 0.0) for fate in ("published", "duplicate", "declined", "dead_letter")) >= count

    eventually(whole, COUNTED_S)
    return found


def told_by(metrics: str) -> Iterator[tuple[str, float]]:
    """How many light curves were handled how, and messages had which fate, by survey."""
    for name, value in COUNT.findall(metrics):
        yield name, float(value)
