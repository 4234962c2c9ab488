"""The little HTTP server: what it answers, and that no client holds it up."""

import http.client
import socket
import time
from contextlib import closing, suppress
from http import HTTPStatus

import pytest

from broker import probes
from broker.probes import LARGEST_HEAD, Answer, Door, ProbeServer

BODY = b"x" * 100_000


@pytest.fixture
def server():
    pages = {"/page": lambda: Answer(HTTPStatus.OK, BODY), "/broken": lambda: Answer(HTTPStatus.OK, 1 / 0)}
    server = ProbeServer(pages, "127.0.0.1", 0)
    yield server
    server.shutdown()
    server.server_close()


def ask(port, method="GET", path="/page", host="127.0.0.1", **more):
    with closing(http.client.HTTPConnection(host, port, timeout=5)) as client:
        client.request(method, path, **more)
        answer = client.getresponse()
        return answer.status, answer.read(), dict(answer.headers)


def raw(port, sent):
    """All that comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_get_and_head_are_answered_and_a_query_is_no_part_of_the_path(server):
    assert ask(server.server_port)[:2] == (200, BODY)
    assert ask(server.server_port, path="/page?a=b")[:2] == (200, BODY)
    status, body, headers = ask(server.server_port, "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(BODY)))
    assert ask(server.server_port, path="/other")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_told_which_there_are(server, method):
    status, _, headers = ask(server.server_port, method, body=b"x" * 50_000)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /page HTTP/1.1\r\n\r\n", 200),
        (b"GET /page HTTP/1.0\n\n", 200),
        (b"GET /page\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),  # who expects TLS
        (b"get /page HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff\x1b[2J HTTP/1.1\r\n\r\n", 404),
        (b"\r\n\r\n", 400),
        (b"GET /" + b"a" * LARGEST_HEAD + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /page HTTP/1.1\r\n" + b"A: b\r\n" * LARGEST_HEAD, 431),
    ],
)
def test_what_a_request_may_be_is_bounded(server, sent, status):
    assert raw(server.server_port, sent).startswith(b"HTTP/1.1 %d " % status)


def test_a_request_may_come_in_pieces(server):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as client:
        for byte in b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n":
            client.sendall(bytes([byte]))
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_fault_of_a_page_closes_one_connection_alone(server):
    assert raw(server.server_port, b"GET /broken HTTP/1.1\r\n\r\n") == b""
    assert ask(server.server_port)[0] == 200


def test_ipv6_can_be_listened_on():
    server = ProbeServer({"/page": lambda: Answer(HTTPStatus.OK, BODY)}, "::1", 0)
    try:
        assert ask(server.server_port, host="::1")[0] == 200
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken_is_an_error_at_once(server):
    with pytest.raises(OSError, match="in use"):
        ProbeServer({}, "127.0.0.1", server.server_port)


def test_a_client_that_says_nothing_has_its_time_and_no_more(server, monkeypatch):
    monkeypatch.setattr(probes, "DEADLINE_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert 0.2 < time.monotonic() - began < 5


LOGIN = {"Authorization": "Basic b3BlcmF0b3I6czNjcjN0"}


@pytest.fixture
def guarded():
    everything = {"/page": lambda: Answer(HTTPStatus.OK, BODY), "/pulse": lambda: Answer(HTTPStatus.OK, b"all")}
    door = Door(LOGIN["Authorization"], {"/pulse": lambda: Answer(HTTPStatus.OK, b"a little")})
    server = ProbeServer(everything, "127.0.0.1", 0, door)
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic "}, {"Authorization": LOGIN["Authorization"] + "x"}])
def test_who_has_no_login_reads_what_is_open_alone_and_is_asked_for_it(guarded, headers):
    status, _, answered = ask(guarded, headers=headers)
    assert (status, answered["WWW-Authenticate"].partition(" ")[0]) == (401, "Basic")
    assert ask(guarded, path="/pulse", headers=headers)[:2] == (200, b"a little")
    assert ask(guarded, path="/other", headers=headers)[0] == 401, "nobody is told what there is"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_who_has_the_login_reads_everything(guarded, name):
    headers = {name: LOGIN["Authorization"]}
    assert ask(guarded, headers=headers)[:2] == (200, BODY)
    assert ask(guarded, path="/pulse", headers=headers)[:2] == (200, b"all")


def test_a_login_in_the_path_or_in_a_body_is_none(guarded):
    line = b"Authorization: " + LOGIN["Authorization"].encode()
    assert raw(guarded, b"GET /page?" + line.replace(b" ", b"+") + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 401 ")
    assert raw(guarded, b"GET /page HTTP/1.1\r\nX-A: b\r\n\r\n" + line + b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")
