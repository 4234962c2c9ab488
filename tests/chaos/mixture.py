"""Rubin's and ZTF's packets among native alerts: light curves with the history that these surveys really send."""

import random
from collections import deque
from collections.abc import Iterator
from itertools import count

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.replays.makers import MAKERS
from broker.replays.packet import Packet
from tests.chaos.alerts import TOPICS, Sending, curve, disturbed, native_alerts

NATIVE, EACH, DENSE = 0.8, 0.0975, 0.0025  # shares: native alerts; of each survey; of its packets of 1,000 rows
OBJECTS = 12  # of a survey at once: few, so that their histories grow
DETECTED = 30  # times at least
VISITS = 1400  # of an object so dense that its last packets have more than 1,000 rows
LAST = 12  # of its packets


def alerts(seed: int, *, unkeyed: bool = True) -> Iterator[Sending]:
    """Messages without end.

    Args:
        seed: decides everything.
        unkeyed: whether Rubin's packets, as in truth, and some others have no key.
    """
    rng = random.Random(seed)
    streams = {native_alerts(rng, unkeyed=unkeyed): NATIVE}
    for survey in ("rubin", "ztf"):
        streams[several_lives(survey, rng, unkeyed=unkeyed)] = EACH
        streams[dense_lives(survey, unkeyed=unkeyed)] = DENSE
    return disturbed(rng, streams)


def several_lives(survey: str, rng: random.Random, *, unkeyed: bool) -> Iterator[Sending]:
    """Packets of the whole lives of some real objects, then of others, without end."""
    records = list(read_alerts(HELDOUT))
    found = [record["objectId"] for record in records if record["detected"]]
    bright = [name for name in dict.fromkeys(found) if found.count(name) >= DETECTED]
    for round_ in count():
        chosen = {name: f"{name}-{survey}-{round_}" for name in rng.sample(bright, OBJECTS)}
        ours = (r | {"objectId": chosen[r["objectId"]]} for r in records if r["objectId"] in chosen)
        for packet in MAKERS[survey](ours):
            yield sending(packet, unkeyed=unkeyed and (survey == "rubin" or round_ % 2 == 0))


def dense_lives(survey: str, *, unkeyed: bool) -> Iterator[Sending]:
    """The last packets of objects that were seen very often, one object after the other, without end."""
    for number in count():
        for packet in deque(MAKERS[survey](curve(f"dense-{survey}-{number}", VISITS)), LAST):
            yield sending(packet, unkeyed=unkeyed and (survey == "rubin" or number % 2 == 0))


def sending(packet: Packet, *, unkeyed: bool) -> Sending:
    """A packet as it is sent here."""
    return Sending(None if unkeyed else packet.object_id, packet.value or b"", TOPICS[packet.survey])
