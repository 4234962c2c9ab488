"""What keeps a page safe to show: headers, who may see it, and how often somebody may ask.

Alert text is hostile: templates escape it, and the policy below runs no script and loads nothing that is not ours.
"""

import base64
import hmac
from collections import OrderedDict
from http import HTTPStatus
from time import monotonic

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
WAIT = {"Retry-After": "10"}
SIGN_IN = {"WWW-Authenticate": 'Basic realm="misweeper", charset="UTF-8"'}
A_MINUTE = 60.0
SEARCHES_A_MINUTE = 240  # of one client
MOST_CLIENTS = 4_096


class Limit:
    """So many requests a minute from one client; the clients longest away are forgotten."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client: what is left, and when that was

    def takes(self, client: str) -> bool:
        """Whether one more request is fine; it is counted."""
        now = monotonic()
        left = self._remains(client, now)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        self._left.move_to_end(client)
        while len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return left >= 1

    def used_up(self, client: str) -> bool:
        """Whether one more request would be too many; nothing is counted."""
        return self._remains(client, monotonic()) < 1

    def _remains(self, client: str, now: float) -> float:
        left, then = self._left.get(client, (float(self._a_minute), now))
        return min(self._a_minute, left + (now - then) * self._a_minute / A_MINUTE)


class Guard:
    """Stands before the application and is asked before each request.

    Args:
        app: what it stands before.
        password: "user:password" for basic authentication; None where everybody may see it.
        trusted_header: a header that a proxy sets for who has signed in, such as X-Forwarded-User; None for no proxy.
        searches_a_minute: of one client; and so many wrong passwords, after which no password of it is looked at.
        hosts: names under which the page is asked for, where it is open to whoever reaches it; none for any name. A
            page elsewhere may give its own name the address of this machine, and would read along.
    """

    def __init__(
        self,
        app: ASGIApp,
        password: str | None,
        trusted_header: str | None,
        searches_a_minute: int = SEARCHES_A_MINUTE,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._expected = password and "Basic " + base64.b64encode(password.encode()).decode()
        self._header = trusted_header
        self._hosts = hosts if password is None and trusted_header is None else frozenset()
        self._limit = Limit(searches_a_minute)
        self._guesses = Limit(searches_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer, or why there is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refusal(Request(scope)) or self._app
        await answer(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if self._hosts and host_of(request) not in self._hosts:
            return refused(request, HTTPStatus.MISDIRECTED_REQUEST, "ask for it as localhost")
        if self._expected is not None and (refusal := self._unknown(request, self._expected)):
            return refusal
        if self._header is not None and not request.headers.get(self._header):
            return refused(request, HTTPStatus.FORBIDDEN, "come by way of the proxy")
        if request.url.path.startswith(SEARCHES) and not self._limit.takes(client_of(request)):
            return refused(request, HTTPStatus.TOO_MANY_REQUESTS, "too many searches; wait a little", WAIT)
        return None

    def _unknown(self, request: Request, expected: str) -> Response | None:
        """Why a password does not let in. After too many wrong ones none is compared: the next may be the right one."""
        given, client = request.headers.get("authorization", ""), client_of(request)
        if given and self._guesses.used_up(client):
            return refused(request, HTTPStatus.TOO_MANY_REQUESTS, "too many guesses; wait a little", WAIT)
        if hmac.compare_digest(given.encode(), expected.encode()):
            return None
        if given:
            self._guesses.takes(client)
        return refused(request, HTTPStatus.UNAUTHORIZED, "sign in", SIGN_IN)


SEARCHES = ("/search", "/api/", "/alerts", "/lists/", "/object")
PROGRAMS = ("/api/", "/alerts")  # who asks for these reads JSON


def refused(request: Request, status: HTTPStatus, why: str, headers: dict[str, str] | None = None) -> Response:
    """Why there is no answer: JSON for programs, else a line of text."""
    if request.url.path.startswith(PROGRAMS):
        return JSONResponse({"detail": why}, status, headers)
    return PlainTextResponse(why + "\n", status, headers)


def client_of(request: Request) -> str:
    """Who asks."""
    return request.client.host if request.client else ""


def host_of(request: Request) -> str:
    """The name it was asked under, without a port."""
    host = request.headers.get("host", "").lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
