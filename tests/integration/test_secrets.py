"""No secret is seen, however odd it is, in what check prints and where run fails."""

from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from broker import connections
from broker.commands.main import app
from broker.config import variables
from broker.errors import StartupError
from broker.text import hide, printable
from tests.support.odd_secrets import ODD, PART

NOWHERE = {
    "MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "MISWEEPER_KAFKA__SECURITY_PROTOCOL": "sasl_plaintext",
    "MISWEEPER_KAFKA__USERNAME": "sweeper",
    "MISWEEPER_KAFKA__PASSWORD": "0ther-s3cret",
    "MISWEEPER_CLASSIFIER__ARTEFACT": "nowhere",
    "MISWEEPER_HTTP__PORT": "0",
}
OAUTH = {
    "MISWEEPER_KAFKA__SASL_MECHANISM": "OAUTHBEARER",
    "MISWEEPER_KAFKA__OAUTH_TOKEN_URL": "http://127.0.0.1:1/token",
    "MISWEEPER_KAFKA__OAUTH_CLIENT_ID": "sweeper",
    "MISWEEPER_KAFKA__OAUTH_CLIENT_SECRET": "0ther-s3cret",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.setattr(connections, "CONNECT_S", 0.3)
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    yield
    hide([])


def everything_said(environment) -> str:
    """By check and by run."""
    said = ""
    for command in ("check", "run"):
        done = CliRunner().invoke(app, [command], env=NOWHERE | environment)
        if isinstance(done.exception, StartupError):
            said += printable(str(done.exception), 4_000)
        else:
            assert isinstance(done.exception, SystemExit), done.exception
        said += done.output
    return said


@pytest.mark.parametrize("secret", ODD.values(), ids=ODD)
@pytest.mark.parametrize(
    "place",
    [
        lambda s: {"MISWEEPER_KAFKA__PASSWORD": s},
        lambda s: {"MISWEEPER_REDIS__URL": f"redis://user:{s}@127.0.0.1:1/0"},
        lambda s: {"MISWEEPER_REDIS__URL": f"redis://user:{quote(s, safe='')}@127.0.0.1:1/0"},
        lambda s: {"MISWEEPER_REDIS__URL": s},
        lambda s: {"MISWEEPER_KAFKA__BOOTSTRAP_SERVERS": f"user:{s}@127.0.0.1:1"},
        lambda s: {"MISWEEPER_KAFKA__PASWORD": s},
        lambda s: {"MISWEEPER_REDIS__URL": "redis://127.0.0.1:1", "MISWEEPER_REDIS__PASSWORD": s},
        lambda s: OAUTH | {"MISWEEPER_KAFKA__OAUTH_CLIENT_SECRET": s},
        lambda s: OAUTH | {"MISWEEPER_KAFKA__OAUTH_TOKEN_URL": f"https://user:{s}@127.0.0.1:1/token"},
    ],
    ids=["password", "url", "quoted url", "instead of a url", "servers", "a typo", "redis", "oauth", "token url"],
)
def test_an_odd_secret_is_seen_neither_in_check_nor_where_run_fails(place, secret):
    said = everything_said(place(secret))
    assert said
    assert PART not in said.replace("\n", "")
