"""Logins and certificates on a real Kafka and Redis: right ones work, each wrong one is one line and exit code 2."""

import secrets

import pytest

from tests.support.alerts import record, wire
from tests.support.certificates import PASSPHRASE, Certificates
from tests.support.refusals import refused_by_both, said
from tests.support.servers import Topics, running
from tests.support.service import Service
from tests.support.tls_kafka import CLIENT_SECRET, PASSWORD, USER, TlsKafka, token_server
from tests.support.tls_redis import TlsRedis
from tests.support.valkey_users import SECRET, allow

WRONG = "s0-wr0ng-a-secret"
SECRETS = (PASSWORD, CLIENT_SECRET, SECRET, PASSPHRASE, WRONG)
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(certificates):
    with running(TlsKafka(certificates)) as server:
        yield server


@pytest.fixture(scope="module")
def store(certificates):
    with running(TlsRedis(certificates, mutual=True)) as store:
        yield store


@pytest.fixture(scope="module")
def tokens():
    with token_server() as url:
        yield url


@pytest.fixture
def service(server, store, certificates, tokens, tmp_path):
    """Of a user that logs in to both, with its topics."""
    prefix = f"test-{secrets.token_hex(6)}-"
    Topics(server.bootstrap_servers, prefix)("alerts", "classifications", "anomalies", "dead-letters")
    with store.client() as client:
        allow(client, "sweeper", prefix, but="client|setinfo")  # which Redis 7.0 does not know
    service = Service(server.servers("SASL"), f"rediss://127.0.0.1:{store.port}/0", prefix, tmp_path)
    service.environment |= {
        "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
        "MISWEEPER_KAFKA__USERNAME": USER,
        "MISWEEPER_KAFKA__PASSWORD": PASSWORD,
        "MISWEEPER_KAFKA__CA_FILE": str(certificates.ca),
        "MISWEEPER_REDIS__USERNAME": "sweeper",
        "MISWEEPER_REDIS__PASSWORD": SECRET,
        "MISWEEPER_REDIS__CA_FILE": str(certificates.ca),
        "MISWEEPER_REDIS__CERTIFICATE_FILE": certificates["client.crt"],
        "MISWEEPER_REDIS__KEY_FILE": certificates["client.key"],
    }
    yield service
    service.close()


def oauth(tokens, secret=CLIENT_SECRET) -> dict[str, str]:
    return {
        "MISWEEPER_KAFKA__SASL_MECHANISM": "OAUTHBEARER",
        "MISWEEPER_KAFKA__OAUTH_TOKEN_URL": tokens,
        "MISWEEPER_KAFKA__OAUTH_CLIENT_ID": USER,
        "MISWEEPER_KAFKA__OAUTH_CLIENT_SECRET": secret,
        "MISWEEPER_KAFKA__OAUTH_SCOPE": "kafka",
    }


def mutual(server, certificates, name="client", key="key") -> dict[str, str]:
    return {
        "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": server.servers("MTLS"),
        "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "ssl",
        "MISWEEPER_KAFKA__CERTIFICATE_FILE": certificates[f"{name}.crt"],
        "MISWEEPER_KAFKA__KEY_FILE": certificates[f"{name}.{key}"],
    }


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_user_logs_in_by_each_mechanism(service, tokens, mechanism):
    changes = oauth(tokens) if mechanism == "OAUTHBEARER" else {"MISWEEPER_KAFKA__SASL_MECHANISM": mechanism}
    code, text = said(service.variables() | changes, "check")
    assert code == 0, text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("key", ["key", "locked"])
def test_a_certificate_takes_the_place_of_a_login(service, server, certificates, key):
    changes = mutual(server, certificates, key=key)
    if key == "locked":
        changes["MISWEEPER_KAFKA__KEY_PASSWORD"] = PASSPHRASE
    code, text = said(service.variables() | changes, "check")
    assert code == 0, text


def test_secrets_may_stand_in_files(service, tmp_path):
    variables = service.variables()
    for name in ("MISWEEPER_KAFKA__PASSWORD", "MISWEEPER_REDIS__PASSWORD", "MISWEEPER_REDIS__URL"):
        file = tmp_path / name
        file.write_text(variables.pop(name) + "\n")
        variables[f"{name}_FILE"] = str(file)
    code, text = said(variables, "check")
    assert code == 0, text


def test_the_service_answers_alerts_over_tls(service, server):
    service.worker().await_ready(200)
    plain = Service(server.bootstrap_servers, "", service.prefix, service.folder)
    plain.send([(None, wire(record()))])
    found = plain.collect(1)
    assert len(found["classifications"]) == 1


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_secret_is_refused_by_both(service, tokens, mechanism):
    wrong = {"MISWEEPER_KAFKA__SASL_MECHANISM": mechanism, "MISWEEPER_KAFKA__PASSWORD": WRONG}
    words = "look at MISWEEPER_KAFKA__SECURITY_PROTOCOL, __SASL_MECHANISM, __USERNAME and __PASSWORD"
    if mechanism == "OAUTHBEARER":
        wrong, words = oauth(tokens, WRONG), "look at MISWEEPER_KAFKA__OAUTH_TOKEN_URL, __OAUTH_CLIENT_ID and"
    refused_by_both(service.variables() | wrong, words, *SECRETS)


CA = "its certificate is of nobody we trust, or for another name: look at MISWEEPER_KAFKA__CA_FILE"
OURS = "MISWEEPER_KAFKA__CERTIFICATE_FILE"  # where the reason comes too late, the connection is only closed
PAIR = ", or MISWEEPER_KAFKA__KEY_PASSWORD is missing or wrong"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda server, files: {"MISWEEPER_KAFKA__CA_FILE": ""}, CA),
        (lambda server, files: {"MISWEEPER_KAFKA__CA_FILE": str(files.other_ca)}, CA),
        (lambda server, files: {"MISWEEPER_KAFKA__CA_FILE": "/no/such/file"}, "CA_FILE: /no/such/file cannot be read"),
        (lambda server, files: {"MISWEEPER_KAFKA__CA_FILE": files["client.key"]}, "client.key holds no certificate"),
        (lambda server, files: mutual(server, files) | {"MISWEEPER_KAFKA__KEY_FILE": files["server.key"]}, PAIR),
        (lambda server, files: mutual(server, files, key="locked"), PAIR),
        (lambda server, files: mutual(server, files, "stranger"), OURS),
        (
            lambda server, files: {
                "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": server.servers("MTLS"),
                "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "ssl",
            },
            OURS,
        ),
        (
            lambda server, files: {
                "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": server.servers("MISNAMED"),
                "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "ssl",
            },
            CA,
        ),
        (
            lambda server, files: {"MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": server.bootstrap_servers},
            "this port speaks no TLS, or wants a certificate of ours: look at MISWEEPER_KAFKA__SECURITY_PROTOCOL",
        ),
    ],
    ids=[
        "no authority",
        "another authority",
        "no file",
        "a key for a certificate",
        "a key of another",
        "no passphrase",
        "a certificate of another authority",
        "no certificate",
        "another name",
        "no TLS there",
    ],
)
def test_what_is_wrong_with_a_certificate_for_kafka_is_refused_by_both(service, server, certificates, changes, words):
    refused_by_both(service.variables() | changes(server, certificates), words, *SECRETS)


NOBODY = "its certificate is of nobody we trust, or for another name; look at MISWEEPER_REDIS__CA_FILE"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PASSWORD": WRONG}, "user or password is missing or wrong; look at MISWEEPER_REDIS__URL"),
        ({"USERNAME": "nobody"}, "user or password is missing or wrong; look at MISWEEPER_REDIS__URL"),
        ({"CA_FILE": ""}, NOBODY),
        ({"CA_FILE": "other-ca.crt"}, NOBODY),
        ({"KEY_FILE": "server.key"}, ", or MISWEEPER_REDIS__KEY_PASSWORD is missing or wrong"),
        ({"KEY_FILE": "client.locked"}, ", or MISWEEPER_REDIS__KEY_PASSWORD is missing or wrong"),
        ({"CERTIFICATE_FILE": "stranger.crt", "KEY_FILE": "stranger.key"}, "MISWEEPER_REDIS__"),
        ({"CERTIFICATE_FILE": "", "KEY_FILE": ""}, "MISWEEPER_REDIS__"),
        ({"URL": "redis://127.0.0.1:1/0"}, "begins not with rediss://, and certificates are for TLS alone"),
    ],
)
def test_what_is_wrong_with_a_login_or_certificate_for_redis_is_refused_by_both(service, certificates, changes, words):
    files = {"other-ca.crt", "server.key", "client.locked", "stranger.crt", "stranger.key"}
    wrong = {
        f"MISWEEPER_REDIS__{name}": certificates[value] if value in files else value for name, value in changes.items()
    }
    refused_by_both(service.variables() | wrong, words, *SECRETS)


def test_a_redis_whose_certificate_is_for_another_name_is_refused_by_both_unless_that_is_wanted(service, certificates):
    with running(TlsRedis(certificates, mutual=False, called="misnamed")) as store:
        with store.client() as client:
            allow(client, "sweeper", service.prefix, but="client|setinfo")
        url = f"rediss://127.0.0.1:{store.port}/0"
        refused_by_both(service.variables() | {"MISWEEPER_REDIS__URL": url}, NOBODY, *SECRETS)
        code, text = said(service.variables() | {"MISWEEPER_REDIS__URL": f"{url}?ssl_check_hostname=false"}, "check")
        assert code == 0, text
