"""The alerts of a campaign: real light curves, as many as it takes; some alerts twice, late, with history, or none."""

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

Keyed = tuple[str, bytes]


def alerts(seed: int) -> Iterator[Keyed]:
    """Keys and bytes without end, in time order within each copy but for those that are late."""
    rng = random.Random(seed)
    past: dict[str, deque[dict]] = defaultdict(lambda: deque(maxlen=HISTORY))
    held: list[Keyed] = []
    for round_ in count():
        for record in read_alerts(HELDOUT):
            for copy in range(round_ * AT_ONCE, (round_ + 1) * AT_ONCE):
                key = f"{record['objectId']}-{copy}"
                history = list(past[key]) if rng.random() < WITH_HISTORY else []
                changes = {"objectId": key, "alertId": record["alertId"] + copy * 1_000_000, "history": history}
                alert = key, encode(record | changes, "observation")
                past[key].append({name: record[name] for name in EARLIER})
                late = rng.random() < LATE
                if not late:
                    yield alert
                if late or rng.random() < TWICE:
                    held.append(alert)
            if len(held) > 200:
                yield held.pop(rng.randrange(len(held)))
            if rng.random() < NO_ALERT * AT_ONCE:
                yield "nobody", rng.randbytes(rng.randrange(200))
