"""Logins that are not whole, secrets in files, Rubin's rule, and a registry that wants to know who asks."""

import json
import ssl
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from broker.commands.checkup import formats
from broker.config import Settings, variables
from broker.errors import StartupError, TransientError
from broker.packets.formats import kept_of
from broker.settings.packets import Registry
from tests.support.certificates import Certificates

NAMED = {"topics": "lsst-alerts-v11", "username": "astro", "password": "s3cr3t-of-kafka"}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in variables():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


def load(monkeypatch, section="KAFKA", **values) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(f"MISWEEPER_{section}__{name}".upper(), str(value))
    return Settings.load()


def refused(monkeypatch, section="KAFKA", **values) -> str:
    with pytest.raises(StartupError) as error:
        load(monkeypatch, section, **values)
    assert "\n" not in str(error.value)
    assert "s3cr3t" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"security_protocol": "sasl_ssl"}, "SCRAM-SHA-512 is set, and USERNAME and PASSWORD missing"),
        ({"security_protocol": "sasl_ssl", "username": "u"}, "SCRAM-SHA-512 is set, and PASSWORD missing"),
        (
            {"security_protocol": "sasl_plaintext", "sasl_mechanism": "OAUTHBEARER", "oauth_client_id": "i"},
            "OAUTHBEARER is set, and OAUTH_TOKEN_URL and OAUTH_CLIENT_SECRET missing",
        ),
        ({"ca_file": "/ca.crt"}, "plaintext takes no certificates; set SECURITY_PROTOCOL to an ssl one"),
        ({"security_protocol": "ssl", "certificate_file": "/c.crt"}, "CERTIFICATE_FILE and KEY_FILE belong together"),
        ({"security_protocol": "ssl", "key_file": "/c.key"}, "CERTIFICATE_FILE and KEY_FILE belong together"),
        ({"oauth_token_url": "https://user:s3cr3t@host/token"}, "OAUTH_TOKEN_URL"),
        ({"password_file": "/no/such/file"}, "PASSWORD_FILE: /no/such/file cannot be read (No such file or directory)"),
        ({"password_file": "/dev/null"}, "PASSWORD_FILE: /dev/null holds no secret"),
        ({"password_file": "/dev/zero"}, "PASSWORD_FILE: /dev/zero holds no secret"),
        ({"password_file": "/x", "password": "s3cr3t"}, "PASSWORD and PASSWORD_FILE are both set"),
    ],
)
def test_a_login_that_is_not_whole_says_what_is_missing(monkeypatch, values, told):
    text = refused(monkeypatch, **values)
    assert told in text
    assert "MISWEEPER_KAFKA" in text


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_in_a_file_is_the_same_without_the_end_of_its_line(monkeypatch, tmp_path, end):
    (tmp_path / "secret").write_bytes(f" s3cr3t/@% {end}".encode())
    settings = load(monkeypatch, password_file=tmp_path / "secret")
    assert settings.kafka.password.get_secret_value() == " s3cr3t/@% "
    assert "s3cr3t" not in str(variables(settings))


def test_every_secret_may_stand_in_a_file():
    names = set(variables())
    secrets = ("KAFKA__PASSWORD", "KAFKA__KEY_PASSWORD", "KAFKA__OAUTH_CLIENT_SECRET", "REDIS__URL", "REDIS__PASSWORD")
    assert {f"MISWEEPER_{name}_FILE" for name in (*secrets, "REGISTRY__PASSWORD")} <= names


@pytest.mark.parametrize(
    ("values", "refuses"),
    [
        ({**NAMED, "group_id": "misweeper"}, True),
        ({**NAMED, "group_id": "astro-misweeper"}, False),
        ({**NAMED, "topics": "^lsst-alerts-v.*", "group_id": "misweeper"}, True),
        ({**NAMED, "topics": "ztf_public", "group_id": "misweeper"}, False),
        ({**NAMED, "group_id": "misweeper", "group_id_starts_with_username": "false"}, False),
        ({**NAMED, "topics": "ztf", "group_id": "misweeper", "group_id_starts_with_username": "true"}, True),
        ({"topics": "lsst-alerts-v11", "group_id": "misweeper"}, False),
        ({"group_id": "misweeper", "group_id_starts_with_username": "true"}, True),
    ],
)
def test_rubins_rule_for_groups_is_looked_at_where_it_holds(monkeypatch, values, refuses):
    if refuses:
        assert "the id of the group does not begin with USERNAME" in refused(monkeypatch, **values)
    else:
        load(monkeypatch, **values)


class Schemas(BaseHTTPRequestHandler):
    """Knows one schema, for one user."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Basic {b64encode(b'astro:s3cr3t').decode()}"
        body = json.dumps({"schema": '"long"'} if known else {"message": "Unauthorized"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def registry_url(certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.load_cert_chain(certificates["server.pem"])
    context.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), Schemas)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that is refused
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def registry(url, certificates, **changes):
    ours = {"ca_file": certificates.ca, "certificate_file": certificates["client.crt"]}
    ours |= {"key_file": certificates["client.key"], "username": "astro", "password": "s3cr3t", "cache": None}
    return kept_of(Registry(url=url, **ours | changes), None)


def test_a_registry_is_asked_over_tls_with_a_certificate_and_a_login(registry_url, certificates):
    assert registry(registry_url, certificates).find(1) == b'"long"'


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"ca_file": None},
        {"certificate_file": None, "key_file": None},
    ],
)
def test_a_registry_that_refuses_us_is_away_and_no_secret_is_told(registry_url, certificates, changes):
    with pytest.raises(TransientError) as error:
        registry(registry_url, certificates, **changes).find(1)
    assert "s3cr3t" not in str(error.value)


def test_a_certificate_that_is_none_names_its_variable(registry_url, certificates):
    with pytest.raises(StartupError, match=r"MISWEEPER_REGISTRY__CA_FILE: .*client\.key holds no certificate in PEM"):
        registry(registry_url, certificates, ca_file=certificates["client.key"])


def test_check_says_that_a_registry_refuses_us_and_goes_on(registry_url, certificates):
    files = {"ca_file": certificates.ca, "certificate_file": certificates["client.crt"]}
    files |= {"key_file": certificates["client.key"], "username": "astro", "cache": None}
    for password, notes in (("s3cr3t", 0), ("wrong", 1)):
        found = formats(Settings(registry=Registry(url=registry_url, password=password, **files)))
        assert len(found) == notes
        assert all("answers 401" in note for note in found)
