"""No secret is seen, however odd it is: in what check prints, where run fails, in the log and in /readyz."""

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
import structlog
from prometheus_client import generate_latest
from typer.testing import CliRunner

from broker import connections, health, logs
from broker.commands.main import app
from broker.config import Settings, variables
from broker.errors import StartupError
from broker.metrics import Metrics
from broker.text import MASK, hide, printable

ODD = {
    "slash": "s3cr/3tXYZ",
    "at": "s3cr@3tXYZ",
    "percent": "s3cr%2F3tXYZ",
    "a broken percent": "s3cr%zz3tXYZ",
    "hash": "s3cr#3tXYZ",
    "space": " s3cr 3tXYZ ",
    "quotes": "s3cr'\"3tXYZ",
    "backslash": "s3cr\\3tXYZ",
    "colon": "s3cr:3tXYZ",
    "question": "s3cr?3tXYZ=1&b",
    "bracket": "s3cr[3tXYZ]",
    "unicode": "s3crпä3tXYZ",
    "very long": "s3cr" + 5000 * "3tXYZ",
    "markup": "[red]s3cr3tXYZ[/red]",
    "a line break": "s3cr\n3tXYZ",
}
PARTS = ("3tXYZ",)  # of each of them
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
    assert not [part for part in PARTS if part in said.replace("\n", "")]


@pytest.mark.parametrize("secret", ODD.values(), ids=ODD)
@pytest.mark.parametrize("quoted", [str, repr, ascii, json.dumps, lambda s: quote(s, safe="")])
def test_what_a_library_says_of_a_secret_is_seen_neither_in_the_log_nor_in_readyz(monkeypatch, capfd, secret, quoted):
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", secret)
    Settings.load()
    text = f"cannot log in with {quoted(secret)} at all"
    for form in ("json", "console"):
        logs.configure("info", form)
        log = structlog.get_logger()
        log.warning("refused", error=text)
        with suppress(ValueError):
            fail(log, text)
    structlog.reset_defaults()
    state = health.Health(Metrics(), lambda: 0.0)
    state.unwell("kafka", text)
    shown = capfd.readouterr().err + json.dumps(state.wrong, ensure_ascii=False)
    assert shown.count(MASK) >= 5
    assert not [part for part in PARTS if part in shown]


def refuse(text):
    raise ValueError(text)


def fail(log, text):
    try:
        refuse(text)
    except ValueError:
        log.exception("a bug")
        raise


def test_a_secret_of_few_letters_masks_no_words(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", "the")
    Settings.load()
    assert printable("the other") == "the other"


def test_no_metric_has_a_label_of_the_configuration(monkeypatch):
    monkeypatch.setenv("MISWEEPER_KAFKA__PASSWORD", "s3cr3tXYZ")
    Settings.load()
    assert b"s3cr" not in generate_latest(Metrics().registry)
