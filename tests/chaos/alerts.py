"""What a campaign sends: native alerts, and how all that is sent is disturbed: some twice, late, cut off, unkeyed."""

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.packets.framings import encode

TOPICS = {"native": "chaos-alerts", "rubin": "lsst-alerts-chaos", "ztf": "chaos-ztf"}  # lsst-: ids are Rubin's
AT_ONCE = 4  # copies of the sky that are observed side by side
TWICE = 0.01  # share of the alerts that come again, later, at another offset
LATE = 0.01  # share that comes after others of its object
WITH_HISTORY = 0.02  # share of the native alerts that bring earlier observations
HISTORY = 5  # of them
EARLIER = ("mjd", "band", "flux", "fluxErr", "detected")
NO_ALERT = 0.002  # share of what is sent beside them


class Sending(NamedTuple):
    """A message to be sent; without a key its object comes to several workers at once."""

    key: str | bytes | None
    value: bytes
    topic: str = TOPICS["native"]


def disturbed(rng: random.Random, streams: dict[Iterator[Sending], float]) -> Iterator[Sending]:
    """Messages of some streams by their shares: some twice, some late, and among them some that are no alert."""
    held: list[Sending] = []
    while True:
        one = next(rng.choices(*zip(*streams.items(), strict=True))[0])
        late = rng.random() < LATE
        if not late:
            yield one
        if late or rng.random() < TWICE:
            held.append(one)
        if len(held) > 200:
            yield held.pop(rng.randrange(len(held)))
        if rng.random() < NO_ALERT:
            some = rng.randbytes(rng.randrange(200))
            yield Sending("nobody", rng.choice([some, one.value[: rng.randrange(len(one.value))]]), one.topic)


def native_alerts(rng: random.Random, *, unkeyed: bool) -> Iterator[Sending]:
    """Alerts of real light curves without end, in time order within each copy of the sky.

    Args:
        rng: decides everything.
        unkeyed: whether one copy in AT_ONCE is sent without keys.
    """
    past: dict[str, deque[dict]] = defaultdict(lambda: deque(maxlen=HISTORY))
    for round_ in count():
        for record in read_alerts(HELDOUT):
            for copy in range(round_ * AT_ONCE, (round_ + 1) * AT_ONCE):
                name = f"{record['objectId']}-{copy}"
                history = list(past[name]) if rng.random() < WITH_HISTORY else []
                changes = {"objectId": name, "alertId": record["alertId"] + copy * 1_000_000, "history": history}
                past[name].append({field: record[field] for field in EARLIER})
                keyed = not unkeyed or copy % AT_ONCE > 0
                yield Sending(name if keyed else None, encode(record | changes, "observation"))


def curve(name: str, n: int) -> Iterator[dict]:
    """A made-up light curve's alerts, in time order."""
    rng = np.random.default_rng(len(name))
    record = next(read_alerts(HELDOUT))
    base = int.from_bytes(name.encode()[-6:]) * 100_000 % (1 << 60)
    for i in range(n):
        flux = float(np.float32(rng.normal(100, 300)))
        yield record | {
            "objectId": name, "alertId": base + i + 1, "mjd": 59_000.0 + i / 64, "band": "ugrizy"[i % 6],
            "flux": flux, "fluxErr": 50.0, "detected": flux > 250, "history": [],
        }  # fmt: skip
