"""What the demo sends: the held-out light curves as each survey's packets, all of them in one order of time."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from pathlib import Path

import pandas as pd

from broker.commands.replay import read_alerts
from broker.errors import StartupError
from broker.replays.makers import MAKERS
from broker.replays.packet import Packet
from broker.replays.ztf import FILTERS
from broker.text import printable

HELDOUT = Path(__file__).parents[1] / "examples" / "plasticc_heldout.parquet"
TOPICS = {  # named as the surveys name theirs
    "native": "plasticc",
    "rubin": "lsst-alerts-v11",
    "ztf": "ztf_20261125_programid1",
    "elasticc": "elasticc",
}
EVERY = "all"


def chosen(names: Sequence[str]) -> list[str]:
    """The surveys that somebody asked for, each once. Raises StartupError."""
    if EVERY in names:
        return list(MAKERS)
    for name in names:
        if name not in MAKERS:
            raise StartupError(f"no survey {printable(name)} in the demo; give one of {', '.join(MAKERS)}, {EVERY}")
    return list(dict.fromkeys(names))


def demo_packets(surveys: Sequence[str], limit: int | None = None) -> Iterator[tuple[str, Packet]]:
    """Packets with the topics that they go to, in order of time, `limit` of them at most."""
    streams = [with_topic(TOPICS[name], MAKERS[name](read_alerts(HELDOUT))) for name in surveys]
    yield from islice(merge(*streams, key=lambda sent: sent[1].mjd_tai), limit)


def with_topic(topic: str, packets: Iterator[Packet]) -> Iterator[tuple[str, Packet]]:
    """Each with its topic."""
    for packet in packets:
        yield topic, packet


def packet_count(surveys: Sequence[str]) -> int:
    """How many packets there are, without making them."""
    rows = pd.read_parquet(HELDOUT, columns=["band", "flux", "detected"])
    detected = rows["detected"].astype(bool)
    of_ztf = detected & rows["band"].isin(list(FILTERS)) & (rows["flux"] != 0)
    counts = {"native": len(rows), "ztf": int(of_ztf.sum())}
    return sum(counts.get(name, int(detected.sum())) for name in surveys)
