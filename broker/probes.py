"""A small HTTP server for probes and Prometheus, which no client can hold up.

One thread serves every connection, and each connection has one request, one answer and a few seconds. Beyond a number
of connections the oldest is closed: a client that sends slowly, or nothing, takes nobody's place for long. What a
request may be is bounded in bytes. It may speak TLS, and ask for a login.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Mapping
from hmac import compare_digest
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, NamedTuple

import structlog

log = structlog.get_logger(__name__)

DEADLINE_S = 5.0  # for a request and its answer together
# File descriptors are few, and Kafka's and Redis' clients need theirs. Whoever comes with a crowd has the time to ask.
MOST_CONNECTIONS, MOST_WITH_NEW_ONES = 32, 96
NEW_S = 0.25
LARGEST_HEAD = 8 * 1024  # bytes of request line and headers
BACKLOG = 48  # connections that wait to be taken, and that are taken at once
END = re.compile(rb"\r?\n\r?\n")
REQUEST = re.compile(rb"([A-Z]{1,16}) (\S+) HTTP/1\.[0-9]")
LOGIN = re.compile(rb"^authorization:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
MORE = {  # headers that belong to a status
    HTTPStatus.METHOD_NOT_ALLOWED: "Allow: GET, HEAD",
    HTTPStatus.UNAUTHORIZED: 'WWW-Authenticate: Basic realm="misweeper", charset="UTF-8"',
}


class Answer(NamedTuple):
    """What is sent back."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Answer]]  # by path


class Door(NamedTuple):
    """Who may read which pages."""

    login: str  # the value of the Authorization header of those who may read all
    open_pages: Pages  # what everybody else may read


def refusal(status: HTTPStatus) -> Answer:
    """An answer that says no more than its status."""
    return Answer(status, f"{status.value} {status.phrase}\n".encode())


def answer_to(head: bytes, pages: Pages, door: Door | None = None) -> tuple[Answer, bool]:
    """The answer to a request's first line and headers, and whether its body is wanted."""
    if not (request := REQUEST.fullmatch(head.partition(b"\n")[0].rstrip(b"\r"))):
        return refusal(HTTPStatus.BAD_REQUEST), True
    method, target = request.groups()
    path, missing = target.partition(b"?")[0].decode("ascii", "replace"), HTTPStatus.NOT_FOUND
    if door and not logged_in(head, door):
        pages, missing = door.open_pages, HTTPStatus.UNAUTHORIZED
    page = pages.get(path)
    if page is None:
        return refusal(missing), method != b"HEAD"
    if method not in (b"GET", b"HEAD"):
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED), True
    return page(), method == b"GET"


def logged_in(head: bytes, door: Door) -> bool:
    """Whether a request has the login, found out in a time that tells nothing of it."""
    found = LOGIN.search(head)
    return compare_digest(found[1] if found else b"", door.login.encode())


def response(answer: Answer, *, with_body: bool) -> bytes:
    """As it goes over the wire."""
    headers = [
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *([MORE[answer.status]] if answer.status in MORE else []),
    ]
    return "\r\n".join([*headers, "", ""]).encode() + (answer.body if with_body else b"")


class Exchange(asyncio.Protocol):
    """One connection: a request, its answer, the end.

    Args:
        pages: what is served.
        others: the connections that are open, the oldest first; this one among them.
        door: who may read which of it; None: everybody all.
    """

    def __init__(self, pages: Pages, others: "dict[Exchange, asyncio.Transport]", door: Door | None) -> None:
        self._pages, self._door = pages, door
        self._others = others
        self._head: bytes | None = b""  # None once it is answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make room for it, and give it its time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(DEADLINE_S, self._end, "too slow")
        self._new_until_s = loop.time() + NEW_S
        self._others[self] = transport
        while len(self._others) > MOST_CONNECTIONS:
            oldest = next(iter(self._others))
            if oldest._new_until_s > loop.time() and len(self._others) <= MOST_WITH_NEW_ONES:  # noqa: SLF001
                break
            oldest._end("too many connections")  # noqa: SLF001 - of our own kind

    def data_received(self, data: bytes) -> None:
        """Answer once the head is there; what comes after it is not looked at."""
        if self._head is None:
            return
        self._head += data
        if (end := END.search(self._head)) and end.start() <= LARGEST_HEAD:
            self._answer(*answer_to(self._head[: end.start()], self._pages, self._door))
        elif len(self._head) > LARGEST_HEAD:
            self._answer(refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), True)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._late.cancel()
        self._others.pop(self, None)
        if exc is not None:
            log.debug("a client hung up", error=exc)

    def _answer(self, answer: Answer, with_body: bool) -> None:
        self._head = None
        self._transport.write(response(answer, with_body=with_body))
        # The client closes: if we did, with bytes of its body unread, the answer could be lost to it.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS says by itself that it is over
            self._transport.close()

    def _end(self, why: str) -> None:
        self._others.pop(self, None)
        self._transport.abort()
        log.debug("a client was cut off", why=why)


class ProbeServer:
    """Answers in a thread of its own until it is shut down.

    Args:
        pages: what it serves, by path.
        host: a name or an address of either kind; "::" is every address there is.
        port: 0 takes a free one.
        door: who may read which of it; None: everybody all.
        tls: the certificate to show; None: no TLS.

    Raises:
        OSError: the port is taken, or the host is not this machine's.
    """

    def __init__(
        self, pages: Pages, host: str, port: int, door: Door | None = None, tls: SSLContext | None = None
    ) -> None:
        self._socket, self._door, self._tls = listener(host, port), door, tls
        self.server_port: int = self._socket.getsockname()[1]
        self._pages = pages
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(note)
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="probes", daemon=True)
        self._thread.start()

    def shutdown(self) -> None:
        """Stop answering."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def server_close(self) -> None:
        """Give the port back."""
        self._socket.close()
        self._loop.close()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._answer_all())

    async def _answer_all(self) -> None:
        open_: dict[Exchange, asyncio.Transport] = {}
        server = await self._loop.create_server(
            lambda: Exchange(self._pages, open_, self._door),
            sock=self._socket,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=DEADLINE_S if self._tls else None,
        )
        await self._over.wait()
        server.close()
        for transport in list(open_.values()):
            transport.abort()
        await asyncio.sleep(0)  # in which they are closed


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)


def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio could not handle: no more file descriptors, or a fault of ours."""
    log.warning("probes are not answered", what=context.get("message"), error=context.get("exception"))
