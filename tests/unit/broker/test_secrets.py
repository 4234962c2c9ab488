"""No secret is seen, however odd it is, in the log and in /readyz."""

import json
from contextlib import suppress
from urllib.parse import quote

import pytest
import structlog
from prometheus_client import generate_latest

from broker import health, logs
from broker.config import Settings, variables
from broker.metrics import Metrics
from broker.text import MASK, hide, printable
from tests.support.odd_secrets import ODD, PART


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    yield
    hide([])


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
    assert PART not in shown


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
