"""Whether the service lives and is ready, and what it answers to those who ask.

`/livez`: the loop turned within the last minute. `/readyz`: partitions assigned, Redis answers, the model is warm, and
nothing is being retried. `/metrics`: Prometheus's text. Each answer of /readyz names what is missing, and warns of what
works but is not safe.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from broker.metrics import Metrics
from broker.probes import Answer, ProbeServer
from broker.text import masked

STALE_AFTER_S = 60.0


class Health:
    """What each part last said of itself; safe to ask from another thread.

    Args:
        metrics: its `ready` gauge follows.
        clock: monotonic seconds.
    """

    PARTS = ("assigned", "redis", "model", "kafka")

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._metrics = metrics
        self._turned_at = clock()
        self._wrong = dict.fromkeys(self.PARTS, "not yet")
        self.facts: dict[str, Callable[[], object]] = {}  # what /readyz tells beside, by name
        self.warnings: Mapping[str, str] = {}  # by what is not safe; replaced as a whole

    def turned(self) -> None:
        """The loop went round once more."""
        self._turned_at = self._clock()

    def well(self, part: str) -> None:
        """A part works."""
        self._wrong.pop(part, None)
        self._metrics.ready.set(self.ready)

    def unwell(self, part: str, why: str) -> None:
        """A part does not work."""
        self._wrong[part] = masked(why)
        self._metrics.ready.set(0)

    @property
    def wrong(self) -> dict[str, str]:
        """The parts that keep the service from being ready, each with the reason."""
        return dict(self._wrong)

    @property
    def said(self) -> dict[str, Any]:
        """What /readyz answers."""
        told = {"ready": self.ready, "wrong": self.wrong}
        return told | {"warnings": dict(self.warnings)} | {name: fact() for name, fact in dict(self.facts).items()}

    @property
    def ready(self) -> bool:
        """Whether alerts are being classified, or would be if they came."""
        return not self._wrong

    @property
    def alive(self) -> bool:
        """Whether the loop turns."""
        return self._clock() - self._turned_at < STALE_AFTER_S


def serve(health: Health, metrics: Metrics, host: str, port: int) -> ProbeServer:
    """Start answering in a thread of its own; port 0 takes a free one. Raises OSError where it cannot listen."""
    pages = {
        "/metrics": lambda: Answer(HTTPStatus.OK, generate_latest(metrics.registry), CONTENT_TYPE_LATEST),
        "/livez": lambda: verdict(health.alive, {"alive": health.alive}),
        "/readyz": lambda: verdict(health.ready, health.said),
    }
    return ProbeServer(pages, host, port)


def verdict(well: bool, details: dict[str, Any]) -> Answer:
    """200 or 503, and why, as JSON."""
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, json.dumps(details).encode(), "application/json")
