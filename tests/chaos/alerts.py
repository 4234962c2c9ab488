"""The alerts of a campaign: real light curves, each as many times as it takes; some alerts twice, some none at all."""

import random
from collections.abc import Iterator
from itertools import count

from broker.codec import encode
from broker.demo import HELDOUT
from broker.replay import read_alerts

AT_ONCE = 4  # copies of the sky that are observed side by side
TWICE = 0.01  # share of the alerts that come again, later, at another offset
NO_ALERT = 0.002  # share of what is sent beside them

Keyed = tuple[str, bytes]


def alerts(seed: int) -> Iterator[Keyed]:
    """Keys and bytes without end, in time order within each copy."""
    rng = random.Random(seed)
    late: list[Keyed] = []
    for round_ in count():
        for record in read_alerts(HELDOUT):
            for copy in range(round_ * AT_ONCE, (round_ + 1) * AT_ONCE):
                key = f"{record['objectId']}-{copy}"
                value = encode(
                    record | {"objectId": key, "alertId": record["alertId"] + copy * 1_000_000}, "observation"
                )
                yield key, value
                if rng.random() < TWICE:
                    late.append((key, value))
            if len(late) > 200:
                yield late.pop(rng.randrange(len(late)))
            if rng.random() < NO_ALERT * AT_ONCE:
                yield "nobody", rng.randbytes(rng.randrange(200))
