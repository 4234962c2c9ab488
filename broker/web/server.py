"""The page as a process: the parts, a server, and an end that leaves nothing behind."""

import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY

import uvicorn
from rich.console import Console

from broker.config import Settings
from broker.errors import StartupError
from broker.lightcurves.store import LightCurveStore
from broker.probes import listener
from broker.web.app import Parts, application
from broker.web.feed import Feed
from broker.web.index import Index
from broker.web.lightcurve import LightCurves
from broker.web.pulse import Pulse
from broker.web.rollcall import RollCall

OPEN = 200  # connections at once
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PATIENCE_S = 3  # for pages that listen, at the end


def serve(
    settings: Settings,
    store: LightCurveStore,
    *,
    console: Console,
    host: str,
    port: int,
    index_path: Path | None,
    since_ms: int,
    password: str | None,
    proxy_header: str | None,
) -> None:
    """Answer until told to stop. Raises StartupError where it cannot listen, or the index cannot be written."""
    with nullcontext(index_path) if index_path else temporary() as path:
        try:
            socket = listener(host, port)
        except OSError as error:
            raise StartupError(
                f"port {port} of {host} cannot be had: {error.strerror}; give another by --port"
            ) from None
        socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # else an answer's body waits 40 ms for its head to be heard
        index = opened(path)
        pulse = Pulse()
        parts = Parts(index, pulse, Feed(settings, index, pulse, since_ms), RollCall(), LightCurves(store))
        app = application(parts, password, proxy_header, hosts=LOOPBACK if host in LOOPBACK else frozenset())
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=proxy_header is not None,
            limit_concurrency=OPEN,
            timeout_graceful_shutdown=PATIENCE_S,
            timeout_keep_alive=10,
        )
        shown = f"[{host}]" if ":" in host else host
        console.print(f"the page: http://{shown}:{socket.getsockname()[1]}", highlight=False)
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more when all is over
        try:
            uvicorn.Server(config).run(sockets=[socket])
        finally:
            index.close()


@contextmanager
def temporary() -> Iterator[Path]:
    """A file that is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="misweeper-web-") as folder:
        yield Path(folder) / "index.sqlite"


def opened(path: Path) -> Index:
    """The index in a file. Raises StartupError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Index(path)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(f"the index {path} cannot be used: {error}; give another by --index") from None
