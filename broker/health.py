"""Whether the service lives and is ready, and the little HTTP server that says so.

`/livez`: the loop turned within the last minute. `/readyz`: partitions assigned, Redis answers, the model is warm, and
nothing is being retried. `/metrics`: Prometheus's text. Each answer of /readyz names what is missing.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from broker.metrics import Metrics

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

    def turned(self) -> None:
        """The loop went round once more."""
        self._turned_at = self._clock()

    def well(self, part: str) -> None:
        """A part works."""
        self._wrong.pop(part, None)
        self._metrics.ready.set(self.ready)

    def unwell(self, part: str, why: str) -> None:
        """A part does not work."""
        self._wrong[part] = why
        self._metrics.ready.set(0)

    @property
    def wrong(self) -> dict[str, str]:
        """The parts that keep the service from being ready, each with the reason."""
        return dict(self._wrong)

    @property
    def ready(self) -> bool:
        """Whether alerts are being classified, or would be if they came."""
        return not self._wrong

    @property
    def alive(self) -> bool:
        """Whether the loop turns."""
        return self._clock() - self._turned_at < STALE_AFTER_S


def serve(health: Health, metrics: Metrics, host: str, port: int) -> ThreadingHTTPServer:
    """Start answering in a thread of its own; port 0 takes a free one. Raises OSError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(True, generate_latest(metrics.registry), CONTENT_TYPE_LATEST)
            elif self.path == "/livez":
                self._answer(health.alive, json.dumps({"alive": health.alive}).encode())
            elif self.path == "/readyz":
                self._answer(health.ready, json.dumps({"ready": health.ready, "wrong": health.wrong}).encode())
            else:
                self.send_error(404)

        def _answer(self, well: bool, body: bytes, content_type: str = "application/json") -> None:
            self.send_response(200 if well else 503)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Probes come every few seconds: not worth a line each."""

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
