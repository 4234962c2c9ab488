"""The little HTTP server: what it answers, and that no client holds it up."""

import http.client
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from pathlib import Path

import pytest

from broker import probes
from broker.probes import LARGEST_HEAD, Answer, ProbeServer

BODY = b"x" * 100_000

SERVICE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from broker import health, logs
from broker.metrics import Metrics
logs.configure("warning", "json")
state = health.Health(Metrics(), lambda: 0.0)
server = health.serve(state, Metrics(), "127.0.0.1", 0)
print(server.server_port, flush=True)
sys.stdin.read()
server.shutdown()
server.server_close()
"""


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


def test_300_half_open_and_100_slow_clients_do_not_hold_a_probe_up_with_256_file_descriptors():
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVICE],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    took_s, over = [], threading.Event()

    def probe(port):
        while not over.is_set():
            began = time.monotonic()
            ask(port, path="/livez")
            ask(port, path="/metrics")
            took_s.append(time.monotonic() - began)
            time.sleep(0.02)

    with process, ExitStack() as clients:
        port = int(process.stdout.readline())
        prober = threading.Thread(target=probe, args=[port])
        prober.start()
        slow = []
        for number in range(400):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            if number % 4 == 0:
                slow.append(client)
        for byte in b"GET /live":
            for client in slow:
                try:
                    client.sendall(bytes([byte]))
                except OSError:
                    client.settimeout(0)  # it was cut off, as it should be
            time.sleep(0.05)
        for client in slow:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # hangs up with a reset
            client.close()
        over.set()
        prober.join()
        said = process.communicate("")[1]
    assert len(took_s) > 5
    assert max(took_s) < 2.0
    assert said == "", "hang-ups are no news"
    assert process.returncode == 0


def test_a_client_that_says_nothing_has_its_time_and_no_more(server, monkeypatch):
    monkeypatch.setattr(probes, "DEADLINE_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert 0.2 < time.monotonic() - began < 5
