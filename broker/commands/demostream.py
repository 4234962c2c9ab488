"""What the demo sends: the held-out light curves as each survey's packets, all surveys at once."""

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
    """Packets with the topics that they go to, `limit` of them at most.

    A survey's are in order of time, and all surveys begin and end together: whoever sends more sends more often.
    """
    for _, topic, packet in islice(merge(*map(paced, surveys), key=lambda sent: sent[0]), limit):
        yield topic, packet


def paced(survey: str) -> Iterator[tuple[float, str, Packet]]:
    """A survey's packets with their topic, and which part of them each completes."""
    count = packet_count([survey])
    for i, packet in enumerate(MAKERS[survey](read_alerts(HELDOUT)), 1):
        yield i / count, TOPICS[survey], packet


def packet_count(surveys: Sequence[str]) -> int:
    """How many packets there are, without making them."""
    rows = pd.read_parquet(HELDOUT, columns=["band", "flux", "detected"])
    detected = rows["detected"].astype(bool)
    of_ztf = detected & rows["band"].isin(list(FILTERS)) & (rows["flux"] != 0)
    counts = {"native": len(rows), "ztf": int(of_ztf.sum())}
    return sum(counts.get(name, int(detected.sum())) for name in surveys)
