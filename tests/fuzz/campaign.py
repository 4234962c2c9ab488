"""A run of many packets: what became of them, and which bound any of them broke.

Bounds: no crash; 50 ms a message by the clock, where one that takes longer is read again up to three times and the
least of its own CPU time counts, as the machine has other work too; 40 MB held at once, as Python's allocator counts on
a sample; 200 MB of resident memory over the whole run, at its peak: what native code takes, and the making of the
packets, is in that.
"""

import base64
import gc
import json
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutations import good, packet, real
from tests.support.reading import MOST_BYTES, MOST_S, READ, TRIES, Fate, Read, batch, fate, least_s, most_bytes

MOST_GROWTH_MB = 200.0
SAMPLE = 1000  # the memory of one in so many is measured,
AT_ONCE = 64  # packets are read once more as a batch
SLOW_S = 0.01  # and of each that took longer than this
LARGE = 1_000_000  # or has more bytes
MOST_KEPT = 20  # offending packets that are written to files
MEGABYTE = 1e6
STATUS = Path("/proc/self/status")


@dataclass
class Report:
    """What became of a run's packets."""

    packets: int = 0
    crashes: int = 0
    dead_letters: int = 0
    declined: int = 0
    rss_growth_mb: float = 0.0
    slowest_ms: float = 0.0
    alerts: int = 0
    largest_mb: float = 0.0  # allocated for one message, among those measured
    differing: int = 0  # in company and alone
    reread: int = 0  # took too long at first
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def broken(self) -> list[str]:
        """The bounds that did not hold, in words."""
        bounds = {
            f"{self.crashes} crashes": self.crashes > 0,
            f"{self.differing} packets end otherwise in company than alone": self.differing > 0,
            f"a message took {self.slowest_ms:.1f} ms, {1000 * MOST_S:.0f} at most": self.slowest_ms > 1000 * MOST_S,
            f"a message took {self.largest_mb:.0f} MB, {MOST_BYTES / MEGABYTE:.0f} at most": self.largest_mb
            > MOST_BYTES / MEGABYTE,
            f"{self.rss_growth_mb:.0f} MB of resident memory came on, {MOST_GROWTH_MB:.0f} at most": self.rss_growth_mb
            > MOST_GROWTH_MB,
        }
        return [text for text, is_broken in bounds.items() if is_broken]


def run(
    seed: int, numbers: Iterable[int], keep: Path, read: Read = READ, said: Callable[[str], None] = print
) -> Iterator[Report]:
    """Read the packets of these numbers; the same report after each, complete when the iterator ends.

    Args:
        seed: of the run.
        numbers: which packets of it.
        keep: a folder; packets that break a bound are written there.
        read: what is put to the test.
        said: told of each of them.
    """
    report = Report()
    kept = 0
    for value in good() + real():  # warm: what is made once must not count as growth
        judge(Report(), value, read, sampled=False)
    gc.collect()
    gc.freeze()  # as the service does
    before = peak_bytes()
    together: list[tuple[int, bytes | None, Fate]] = []
    for number in numbers:
        kind, value = packet(seed, number)
        report.packets += 1
        report.kinds[kind] += 1
        fault, end = judge(report, value, read, sampled=number % SAMPLE == 0)
        if fault:
            if kept < MOST_KEPT:
                path = keep / f"{seed}-{number}-{kind}.json"
                write(path, value, {"seed": seed, "number": number, "kind": kind, "fault": fault})
                said(f"packet {number} ({kind}): {fault.splitlines()[-1]}; replay it with --replay {path}")
            kept += 1
        if end is not None and len(value or b"") < LARGE:
            together.append((number, value, end))
        if len(together) == AT_ONCE:
            compare(report, together, read, said)
            together.clear()
        if report.packets % SAMPLE == 0:
            report.rss_growth_mb = grown_mb(before)
        yield report
    compare(report, together, read, said)
    report.rss_growth_mb = grown_mb(before)


def compare(
    report: Report, packets: list[tuple[int, bytes | None, Fate]], read: Read, said: Callable[[str], None]
) -> None:
    """Read packets as one batch and look whether each ends as it did alone: law 5 for hostile company."""
    try:
        decoded = read(batch(*(value for _, value, _ in packets)))
        alerts = decoded.alerts
        ends: dict[int, Any] = {i: poison.reason for i, poison in decoded.poisons.items()}
        ends |= dict.fromkeys(decoded.declined.tolist(), "declined")
        for i, name, end in zip(alerts.message.tolist(), alerts.objects, alerts.ends.tolist(), strict=True):
            start = end - int(np.diff(alerts.ends, prepend=0)[alerts.message == i][0])
            ends[i] = name, alerts.rows[start:end].tobytes()
    except Exception:  # noqa: BLE001 - it is counted
        report.crashes += 1
        said(f"packets {packets[0][0]} to {packets[-1][0]}, as one batch: {traceback.format_exc()}")
        return
    for i, (number, _, end) in enumerate(packets):
        alone = end if isinstance(end, str) else (end.objects[0], end.rows.tobytes())
        if ends.get(i) != alone:
            report.differing += 1
            said(f"packet {number} ends in company as {str(ends.get(i))[:100]}, alone as {str(alone)[:100]}")


def judge(report: Report, value: bytes | None, read: Read, *, sampled: bool) -> tuple[str | None, Fate | None]:
    """Read one packet and enter it into the report. What was wrong, None where nothing was; how it ended."""
    began = time.perf_counter()
    try:
        end = fate(value, read)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a panic of native code is no Exception
        report.crashes += 1
        return traceback.format_exc(), None
    took_s = time.perf_counter() - began
    if end == "declined":
        report.declined += 1
    elif isinstance(end, str):
        report.dead_letters += 1
        report.reasons[end] += 1
    else:
        report.alerts += 1
    faults = []
    measured = sampled or took_s > SLOW_S or len(value or b"") > LARGE
    if took_s > MOST_S:
        report.reread += 1
        took_s = least_s(value, read)
        if took_s > MOST_S:
            faults.append(f"took {1000 * took_s:.1f} ms, the least of {TRIES}")
    report.slowest_ms = max(report.slowest_ms, round(1000 * took_s, 3))
    if measured:
        spent = most_bytes(value, read)
        report.largest_mb = max(report.largest_mb, round(spent / MEGABYTE, 3))
        if spent > MOST_BYTES:
            faults.append(f"took {spent} bytes at once")
    return "\n".join(faults) or None, end


def grown_mb(before: int) -> float:
    """How far the peak of resident memory lies above what the peak was before [MB]."""
    return round(max(0, peak_bytes() - before) / MEGABYTE, 1)


def peak_bytes() -> int:
    """The most resident memory that this process has had. Linux's getrusage tells that of whoever started it, too."""
    if STATUS.exists():
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes


def write(path: Path, value: bytes | None, about: dict[str, Any]) -> None:
    """Write an offending packet, and what is known of it, to a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = None if value is None else base64.b64encode(value).decode()
    path.write_text(json.dumps(about | {"value": encoded}))


def kept_value(path: Path) -> bytes | None:
    """The bytes of a packet that was written."""
    content: dict[str, Any] = json.loads(path.read_text())
    return None if content["value"] is None else base64.b64decode(content["value"])
