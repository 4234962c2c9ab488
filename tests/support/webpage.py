"""The page without its servers: an index that a test fills, light curves in memory, and a client that asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from broker.config import Settings
from broker.lightcurves.entries import cut_all, entries_of
from broker.lightcurves.hashes import salts
from broker.lightcurves.store import InMemoryLightCurves
from broker.web.app import Parts, application
from broker.web.feed import Feed
from broker.web.index import Index
from broker.web.lightcurve import LightCurves
from broker.web.pulse import Pulse
from broker.web.rollcall import RollCall
from model.observation import OBSERVATION


def rows_of(*observations: tuple[float, float, float, int, bool]) -> np.ndarray:
    return np.array(list(observations), OBSERVATION)


def log_of(key: bytes, rows: np.ndarray) -> list[bytes]:
    """A light curve as the store has it."""
    n = len(rows)
    none = np.zeros(n, np.int64)
    made = entries_of(
        rows,
        alert_ids=none,
        offsets=none,
        sources=none.astype(np.uint32),
        history=none > 0,
        salts=np.repeat(salts([key]), n),
    )
    return cut_all(made)


@dataclass
class Site:
    """A page, and what it shows."""

    index: Index
    store: InMemoryLightCurves
    parts: Parts
    client: TestClient

    def remember(self, name: str, *observations: tuple[float, float, float, int, bool]) -> None:
        self.store.logs[name.encode()] = log_of(name.encode(), rows_of(*observations))


@contextmanager
def site(folder: Path, searches_a_minute: int = 10_000) -> Iterator[Site]:
    """A page that follows nothing: no thread is started."""
    index, store, settings, pulse = Index(folder / "index.sqlite"), InMemoryLightCurves(), Settings(), Pulse()
    parts = Parts(index, pulse, Feed(settings, index, pulse, 0), RollCall(), LightCurves(store))
    try:
        yield Site(index, store, parts, TestClient(application(parts, searches_a_minute=searches_a_minute)))
    finally:
        index.close()
