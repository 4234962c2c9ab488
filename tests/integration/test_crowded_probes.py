"""Hundreds of clients that say nothing, or slowly, hold no probe up."""

import http.client
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import Path

import pytest

from broker.probes import Answer, ProbeServer
from broker.settings.security import ServedWeb
from tests.support.certificates import Certificates

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


def test_300_half_open_and_100_slow_clients_do_not_hold_a_probe_up_with_256_file_descriptors():
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVICE],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    took_s, over = [], threading.Event()

    def probe(port):
        while not over.is_set():
            began = time.monotonic()
            ask(port, "/livez")
            ask(port, "/metrics")
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


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("mutual", [False, True])
def test_over_tls_pages_are_answered_and_a_hundred_that_shake_no_hands_hold_nobody_up(certificates, mutual):
    ours = ServedWeb(
        certificate_file=certificates.folder / "server.pem",
        key_file=certificates.folder / "server.key",
        ca_file=certificates.ca if mutual else None,
    )
    server = ProbeServer({"/page": lambda: Answer(HTTPStatus.OK, BODY)}, "127.0.0.1", 0, tls=ours.shown("X__"))
    context = ssl.create_default_context(cafile=certificates.ca)
    try:
        with ExitStack() as idle:
            for _ in range(100):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=10))
            if mutual:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    secure(server.server_port, context)
                context.load_cert_chain(certificates.folder / "client.pem", certificates.folder / "client.key")
            assert secure(server.server_port, context) == (200, BODY)
    finally:
        server.shutdown()
        server.server_close()


def secure(port, context):
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)) as client:
        client.request("GET", "/page")
        answer = client.getresponse()
        return answer.status, answer.read()


def ask(port, path):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", path)
        client.getresponse().read()
