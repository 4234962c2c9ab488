"""A Schema Registry in the process: the one endpoint that is asked, and every way in which it may fail."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_FOUND = json.dumps({"error_code": 40403, "message": "Schema not found"}).encode()


class RegistryServer(ThreadingHTTPServer):
    """Schemas by id; `answer` (status, bytes) is given in their place where it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.schemas: dict[int, bytes] = {}
        self.extra: dict[str, object] = {}  # in each answer, beside the schema
        self.answer: tuple[int, bytes] | None = None
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_port}"

    def said(self, path: str) -> tuple[int, bytes]:
        """Status and bytes for a path."""
        self.asked.append(path)
        if self.answer is not None:
            return self.answer
        folder, _, number = path.rpartition("/")
        if folder == "/schemas/ids" and (text := self.schemas.get(int(number))) is not None:
            return 200, json.dumps({"schema": text.decode(), **self.extra}).encode()
        return 404, NOT_FOUND


class Handler(BaseHTTPRequestHandler):
    server: RegistryServer

    def do_GET(self) -> None:
        status, body = self.server.said(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    """A registry that answers meanwhile."""
    server = RegistryServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
