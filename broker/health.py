"""Whether the service lives and is ready, and what it answers to those who ask.

`/livez`: the loop turned within the last minute. `/readyz`: partitions assigned, Redis answers, the model is warm, and
nothing is being retried. `/metrics`: Prometheus's text. Each answer of /readyz names what is missing and for how long,
warns of what works but is not safe, and tells what the service works with. Where there is a login, who has none hears
of /livez all, of /readyz yes or no.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ssl import SSLContext
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from broker.metrics import Metrics
from broker.probes import Answer, Door, ProbeServer
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
        metrics.loop_age_seconds.set_function(lambda: self._clock() - self._turned_at)
        self._wrong = dict.fromkeys(self.PARTS, "not yet")
        self._since = dict.fromkeys(self.PARTS, self._turned_at)  # by what is wrong
        self.facts: dict[str, Callable[[], object]] = {}  # what /readyz tells beside, by name
        self.warnings: Mapping[str, str] = {}  # by what is not safe; replaced as a whole

    def turned(self) -> None:
        """The loop went round once more."""
        self._turned_at = self._clock()

    def well(self, part: str) -> None:
        """A part works."""
        self._wrong.pop(part, None)
        self._since.pop(part, None)
        self._metrics.ready.set(self.ready)

    def unwell(self, part: str, why: str) -> None:
        """A part does not work."""
        self._since.setdefault(part, self._clock())
        self._wrong[part] = masked(why)
        self._metrics.ready.set(0)

    @property
    def wrong(self) -> dict[str, str]:
        """The parts that keep the service from being ready, each with the reason."""
        return dict(self._wrong)

    @property
    def wrong_for_s(self) -> dict[str, float]:
        """For how long each of them has been wrong [s]."""
        now = self._clock()
        return {part: round(now - since, 1) for part, since in dict(self._since).items()}

    @property
    def said(self) -> dict[str, Any]:
        """What /readyz answers."""
        told = {"ready": self.ready, "wrong": self.wrong, "wrong_for_s": self.wrong_for_s}
        return told | {"warnings": dict(self.warnings)} | {name: fact() for name, fact in dict(self.facts).items()}

    @property
    def pulse(self) -> dict[str, Any]:
        """What /livez answers."""
        ago = round(self._clock() - self._turned_at, 1)
        return {"alive": self.alive, "turned_s_ago": ago, "wrong_for_s": self.wrong_for_s}

    @property
    def ready(self) -> bool:
        """Whether alerts are being classified, or would be if they came."""
        return not self._wrong

    @property
    def alive(self) -> bool:
        """Whether the loop turns."""
        return self._clock() - self._turned_at < STALE_AFTER_S


def serve(
    health: Health, metrics: Metrics, host: str, port: int, login: str = "", tls: SSLContext | None = None
) -> ProbeServer:
    """Start answering in a thread of its own; port 0 takes a free one. Raises OSError where it cannot listen.

    Args:
        health: of the service.
        metrics: of the service.
        host: where to listen.
        port: where to listen.
        login: the Authorization header of those who may read; whoever has another hears of /livez and /readyz alone.
        tls: the certificate to show.
    """
    pages = {
        "/metrics": lambda: Answer(HTTPStatus.OK, generate_latest(metrics.registry), CONTENT_TYPE_LATEST),
        "/livez": lambda: verdict(health.alive, health.pulse),
        "/readyz": lambda: verdict(health.ready, health.said),
    }
    open_pages = {"/livez": pages["/livez"], "/readyz": lambda: verdict(health.ready, {"ready": health.ready})}
    return ProbeServer(pages, host, port, Door(login, open_pages) if login else None, tls)


def verdict(well: bool, details: dict[str, Any]) -> Answer:
    """200 or 503, and why, as JSON."""
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, json.dumps(details).encode(), "application/json")
