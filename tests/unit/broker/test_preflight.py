"""The port for probes, as it is tried before anything else."""

import socket
import ssl
import threading
from contextlib import closing
from http.client import HTTPSConnection

import pytest
from pydantic import SecretStr

from broker.assembly import answering_http
from broker.config import Http, Settings
from broker.embedded import free_port
from broker.errors import StartupError
from broker.health import Health, serve
from broker.metrics import Metrics
from broker.preflight import http_port
from tests.support.certificates import Certificates


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_port_that_another_program_has_is_refused_and_one_of_a_service_is_said(host, shown):
    state = Health(Metrics(), lambda: 0.0)
    server = serve(state, Metrics(), host, 0)
    settings = Settings(http=Http(host=host, port=server.server_port))
    assert http_port(settings)[0].startswith(f"a service answers on {shown}:{server.server_port} already; ")
    server.shutdown()
    server.server_close()
    assert http_port(settings) == []


def test_a_service_that_does_not_live_is_one_all_the_same():
    now = [0.0]
    state = Health(Metrics(), lambda: now[0])
    server = serve(state, Metrics(), "127.0.0.1", 0)
    now[0] = 1000.0
    assert http_port(Settings(http=Http(port=server.server_port)))
    server.shutdown()
    server.server_close()


def test_a_host_that_is_not_of_this_machine_names_both_settings():
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:9464 .*MISWEEPER_HTTP__HOST and"):
        http_port(Settings(http=Http(host="192.0.2.1")))


@pytest.mark.parametrize(
    "said", [b"", b"-ERR unknown command\r\n", b"HTTP/1.1 200 OK\r\n\r\n[1]", b"HTTP/1.1 500 No\r\n\r\n"]
)
def test_whatever_else_has_the_port_is_no_service(said):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer():
            client, _ = other.accept()
            with client:
                client.recv(1000)
                client.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StartupError, match="set MISWEEPER_HTTP__PORT to a free port"):
            http_port(Settings(http=Http(port=other.getsockname()[1])))
        thread.join()


def test_a_service_that_speaks_tls_and_asks_for_a_login_answers_those_who_have_it_and_check(tmp_path):
    certificates, port = Certificates.make(tmp_path), free_port()
    http = Http(
        port=port,
        username="operator",
        password=SecretStr("hunter4"),
        certificate_file=certificates["server.crt"],
        key_file=certificates["server.key"],
    )
    settings, metrics = Settings(http=http), Metrics()
    context = ssl.create_default_context(cafile=certificates.ca)

    def status(path, headers):
        with closing(HTTPSConnection("127.0.0.1", port, timeout=5, context=context)) as client:
            client.request("GET", path, headers=headers)
            return client.getresponse().status

    with answering_http(settings, Health(metrics, lambda: 0.0), metrics):
        assert status("/metrics", {}) == 401
        assert status("/metrics", http.headers()) == 200
        assert status("/livez", {}) == 200
        assert http_port(settings)[0].startswith(f"a service answers on 127.0.0.1:{port} already; ")


def test_check_names_a_certificate_that_cannot_be_shown(tmp_path):
    http = Http(certificate_file=tmp_path / "none.pem", key_file=tmp_path / "none.key")
    with pytest.raises(StartupError, match=r"MISWEEPER_HTTP__CERTIFICATE_FILE.*none\.pem"):
        http_port(Settings(http=http))
