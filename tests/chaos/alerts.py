"""The alerts of a campaign: real light curves, as many as it takes; some twice, late, with history, without a key."""

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from itertools import count

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.packets.framings import encode

AT_ONCE = 4  # copies of the sky that are observed side by side
TWICE = 0.01  # share of the alerts that come again, later, at another offset
LATE = 0.01  # share that comes after others of its object
WITH_HISTORY = 0.02  # share that brings earlier observations
HISTORY = 5  # of them
EARLIER = ("mjd", "band", "flux", "fluxErr", "detected")
NO_ALERT = 0.002  # share of what is sent beside them
UNKEYED = b"unkeyed"  # in the names of objects whose alerts have no key, so that they come to several workers at once

Keyed = tuple[str | None, bytes]


def alerts(seed: int, *, unkeyed: bool = True) -> Iterator[Keyed]:
    """Keys and bytes without end, in time order within each copy but for those that are late.

    Args:
        seed: decides everything.
        unkeyed: whether one copy in AT_ONCE is sent without keys.
    """
    rng = random.Random(seed)
    past: dict[str, deque[dict]] = defaultdict(lambda: deque(maxlen=HISTORY))
    held: list[Keyed] = []
    for round_ in count():
        for record in read_alerts(HELDOUT):
            for copy in range(round_ * AT_ONCE, (round_ + 1) * AT_ONCE):
                keyed = not unkeyed or copy % AT_ONCE > 0
                name = f"{record['objectId']}-{copy}" if keyed else f"{record['objectId']}-{UNKEYED.decode()}-{copy}"
                history = list(past[name]) if rng.random() < WITH_HISTORY else []
                changes = {"objectId": name, "alertId": record["alertId"] + copy * 1_000_000, "history": history}
                alert = name if keyed else None, encode(record | changes, "observation")
                past[name].append({field: record[field] for field in EARLIER})
                late = rng.random() < LATE
                if not late:
                    yield alert
                if late or rng.random() < TWICE:
                    held.append(alert)
            if len(held) > 200:
                yield held.pop(rng.randrange(len(held)))
            if rng.random() < NO_ALERT * AT_ONCE:
                yield "nobody", rng.randbytes(rng.randrange(200))
